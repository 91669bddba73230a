"""DATABASE_URL as Django's settings: PostgreSQL behind a pool of connections. Pure."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sparkcontrol.env import BadEnvironment

SCHEMES = ("postgres", "postgresql")
WAIT_FOR_CONNECTION_SECONDS = 10  # a request that gets none by then is answered 503
CONNECT_SECONDS = 5
# The pool's own pause between two attempts grows to minutes; given up and asked again it stays below this.
RECONNECT_SECONDS = 5
# Left behind by a process that froze in the middle of a transaction, whose locks others wait for: no longer than they
# wait for the lease of a driver that froze elsewhere.
IDLE_IN_TRANSACTION_SECONDS = 15
# A host that vanished without a word is noticed after 25 s instead of after hours.
KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
ID = "sparkcontrol.E012"
EXAMPLE = "postgresql://user:password@host:5432/name"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds a statement may wait for a row somebody else writes, and may take in all; 0: no limit."""

    lock: int = 2
    statement: int = 30

    def as_options(self) -> str:
        limits = {
            "lock_timeout": self.lock,
            "statement_timeout": self.statement,
            "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_SECONDS,
        }
        return " ".join(f"-c {name}={seconds}s" for name, seconds in limits.items())


def database_from(url: str, pool_size: int, limits: Limits = Limits()) -> dict[str, Any]:
    """`pool_size` connections per process at most. Raises BadEnvironment, which never shows the password."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.path.strip("/"):
        raise BadEnvironment(f"DATABASE_URL is not an address Spark Control can use; write {EXAMPLE}.", ID)
    if pool_size < 1 or min(limits.lock, limits.statement) < 0:
        raise BadEnvironment("DATABASE_POOL_SIZE must be 1 or more, and the time limits 0 or more.")
    options = dict(parse_qsl(parts.query))
    try:
        port = parts.port
    except ValueError:
        raise BadEnvironment(f"The port in DATABASE_URL is no number; write {EXAMPLE}.", ID) from None
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", None) or parts.hostname or "",  # ?host=/var/run/postgresql is a Unix socket
        "PORT": str(port or options.pop("port", "")),
        "CONN_MAX_AGE": 0,  # the pool keeps them
        "CONN_HEALTH_CHECKS": True,  # so that a restart of the server costs nobody an error
        "OPTIONS": {
            "connect_timeout": CONNECT_SECONDS,
            **KEEPALIVE,
            **options,
            "options": f"{limits.as_options()} {options.get('options', '')}".strip(),
            "pool": {
                "min_size": 1,
                "max_size": pool_size,
                "timeout": WAIT_FOR_CONNECTION_SECONDS,
                "reconnect_timeout": RECONNECT_SECONDS,
            },
        },
    }
