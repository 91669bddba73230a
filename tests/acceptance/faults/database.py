"""PostgreSQL as a part that restarts, and points at which a transaction of the product is held from outside.

A held point is a trigger on the table the transaction writes: it shows itself as an advisory lock and waits as long as
there is a row that asks it to. The product knows nothing of it, and a held process can be killed exactly there.
"""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.needs import require_program
from tests.postgres import INSTALL, SETTINGS, _not_root, make_database, postgresql
from tests.simulated_sparks import until

NAME = "control"
PASSWORD = "pg-canary-5b1f0c9d"
HOLDS = """
CREATE TABLE faults_hold (slot_id bigint, status text);
CREATE FUNCTION faults_wait(wanted_slot bigint, wanted_status text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM faults_hold WHERE slot_id = wanted_slot AND status = wanted_status) THEN
    PERFORM pg_advisory_xact_lock_shared(4711, wanted_slot::int);
    WHILE EXISTS (SELECT 1 FROM faults_hold WHERE slot_id = wanted_slot AND status = wanted_status) LOOP
      PERFORM pg_sleep(0.02);
    END LOOP;
  END IF;
END $$;
CREATE FUNCTION faults_on_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM faults_wait((SELECT slot_id FROM swaps_swap WHERE id = NEW.swap_id), NEW.to_status);
  RETURN NEW;
END $$;
CREATE TRIGGER faults_on_transition BEFORE INSERT ON swaps_transition
  FOR EACH ROW EXECUTE FUNCTION faults_on_transition();
CREATE FUNCTION faults_on_answer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM faults_wait(0, 'answer');
  RETURN NEW;
END $$;
CREATE TRIGGER faults_on_answer BEFORE UPDATE ON cluster_idempotentcall
  FOR EACH ROW WHEN (NEW.answered_at IS NOT NULL) EXECUTE FUNCTION faults_on_answer();
"""


class Postgres:
    """A server and the product's database in it."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        plain = make_database(folder, NAME)
        self.url = plain.replace("postgres@", f"postgres:{PASSWORD}@")

    def ask(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of one statement, on a connection of its own."""
        with psycopg.connect(self._dsn, autocommit=True, row_factory=dict_row, connect_timeout=10) as connection:
            cursor = connection.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else []

    def restart(self, *, mode: str = "immediate") -> None:
        """`immediate` is a crash: connections are cut, and the log is replayed at the start."""
        self._control("restart", "-m", mode)

    def stop(self, *, mode: str = "immediate") -> None:
        self._control("stop", "-m", mode)

    def start(self) -> None:
        self._control("start")

    @contextmanager
    def locked(self, table: str, row_id: int) -> Iterator[None]:
        """Somebody else holds this row and does not let go."""
        with psycopg.connect(self._dsn) as connection:
            connection.execute(f"SELECT 1 FROM {table} WHERE id = {int(row_id)} FOR UPDATE")
            yield
            connection.rollback()

    def install_holds(self) -> None:
        self.ask(HOLDS)

    def hold(self, slot_id: int, status: str) -> None:
        """Let the next transaction that moves a swap of the slot to `status` stand still before it commits."""
        self.ask("INSERT INTO faults_hold VALUES (%s, %s)", slot_id, status)

    def is_held(self, slot_id: int) -> bool:
        asked = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = 4711 AND objid = %s"
        return bool(self.ask(asked, slot_id))

    def end_sessions(self) -> None:
        """Of everybody else, as a failover does."""
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        self.ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")

    def let_go(self, slot_id: int | None = None) -> None:
        """Of one slot, or of all."""
        self.ask("DELETE FROM faults_hold WHERE %s::bigint IS NULL OR slot_id = %s", slot_id, slot_id)

    @property
    def _dsn(self) -> str:
        return f"postgresql://postgres@/{NAME}?host={self.folder}"

    def _control(self, *words: str) -> None:
        program = require_program("pg_ctl", INSTALL)
        owner = _not_root(Path(self.folder))
        command = [*owner, program, "-D", f"{self.folder}/data", "-w", "-l", f"{self.folder}/log"]
        subprocess.run(
            [*command, "-o", f"{SETTINGS} -k {self.folder}", *words],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
        )

    def wait_until_it_answers(self, seconds: float = 20.0) -> float:
        began = time.monotonic()
        until(self._answers, seconds, "PostgreSQL answers")
        return time.monotonic() - began

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.Error):
            return bool(self.ask("SELECT 1"))
        return False


@contextmanager
def postgres() -> Iterator[Postgres]:
    with postgresql() as folder:
        yield Postgres(folder)
