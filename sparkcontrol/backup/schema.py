"""Tables as they were when a backup was made: an empty database at its migrations, and which of them we know."""

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

from sparkcontrol.backup.archive import BadBackup, Manifest

Node = tuple[str, str]


def targets_of(manifest: Manifest) -> list[Node]:
    """The newest migration of each app in the backup. Raises BadBackup when this program does not know one."""
    graph = MigrationExecutor(connection).loader.graph
    unknown = sorted(node for node in manifest.migrations if node not in graph.nodes)
    if unknown:
        app, name = unknown[-1]
        raise BadBackup(
            f"This backup was made by a newer Spark Control ({app} {name} is not known here); update this one to at "
            "least that version, then restore it."
        )
    has_child = {
        parent.key
        for node in manifest.migrations
        for parent in graph.node_map[node].parents
        if parent.key[0] == node[0]
    }
    return sorted(manifest.migrations - has_child)


def make_tables(targets: list[Node]) -> StateApps:
    """Migrate an empty database to the backup's state; the models of that state."""
    MigrationExecutor(connection).migrate(targets)
    return MigrationExecutor(connection).loader.project_state(targets).apps


def migrate_on() -> None:
    """From the backup's state to this program's."""
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def drop_tables() -> None:
    """All tables of ours, those of a newer version included."""
    ours = tuple(f"{app.label}_" for app in apps.get_app_configs())
    with connection.cursor() as cursor:
        names = [name for name in connection.introspection.table_names(cursor) if name.startswith((*ours, "django_"))]
        if names:
            listed = ", ".join(connection.ops.quote_name(name) for name in names)
            cursor.execute(f"DROP TABLE {listed} CASCADE")


def reset_sequences(kinds: list[type[models.Model]]) -> None:
    """PostgreSQL does not notice ids that rows brought along."""
    statements = connection.ops.sequence_reset_sql(no_style(), kinds)
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def leap_ids(model: type[models.Model], step: int) -> None:
    """The next id is `step` higher than it would have been."""
    table = model._meta.db_table
    highest = (model._base_manager.order_by("-pk").values_list("pk", flat=True).first() or 0) + step
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, highest])
            return
        cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
        cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, highest])
