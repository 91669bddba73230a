"""Backup and restore of everything the database knows, in one form for SQLite and PostgreSQL."""
