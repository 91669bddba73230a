"""DATABASE_URL means what it says, and never shows its password."""

import pytest

from sparkcontrol.database_url import database_from
from sparkcontrol.env import BadEnvironment


def test_it_reads_every_part() -> None:
    found = database_from("postgresql://spark:p%40ss@db.local:5433/control?sslmode=require", 7)

    assert (found["USER"], found["PASSWORD"], found["HOST"], found["PORT"], found["NAME"]) == (
        "spark", "p@ss", "db.local", "5433", "control",
    )  # fmt: skip
    assert found["OPTIONS"]["sslmode"] == "require"
    assert found["OPTIONS"]["pool"]["max_size"] == 7


def test_it_takes_a_unix_socket() -> None:
    found = database_from("postgres:///control?host=/run/postgresql&port=5434", 10)

    assert (found["HOST"], found["PORT"], found["NAME"]) == ("/run/postgresql", "5434", "control")


@pytest.mark.parametrize("url", ["mysql://u:hunter2@h/n", "postgresql://u:hunter2@h", "postgresql://u:hunter2@h:x/n"])
def test_it_refuses_what_it_cannot_use_without_telling_the_password(url: str) -> None:
    with pytest.raises(BadEnvironment, match="DATABASE_URL") as refused:
        database_from(url, 10)

    assert "hunter2" not in str(refused.value)


def test_it_refuses_a_pool_of_nothing() -> None:
    with pytest.raises(BadEnvironment, match="POOL"):
        database_from("postgresql:///n", 0)
