"""What can be launched: definitions, their rules, and the file they are kept in."""
