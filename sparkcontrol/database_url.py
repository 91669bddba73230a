"""DATABASE_URL as Django's settings: PostgreSQL behind a pool of connections. Pure."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sparkcontrol.env import BadEnvironment

SCHEMES = ("postgres", "postgresql")
WAIT_FOR_CONNECTION_SECONDS = 10  # a request that gets none by then is answered 503
EXAMPLE = "postgresql://user:password@host:5432/name"


def database_from(url: str, pool_size: int) -> dict[str, Any]:
    """`pool_size` connections per process at most. Raises BadEnvironment, which never shows the password."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.path.strip("/"):
        raise BadEnvironment(f"DATABASE_URL is not an address Spark Control can use; write {EXAMPLE}.")
    if pool_size < 1:
        raise BadEnvironment("DATABASE_POOL_SIZE must be 1 or more.")
    options = dict(parse_qsl(parts.query))
    try:
        port = parts.port
    except ValueError:
        raise BadEnvironment(f"The port in DATABASE_URL is no number; write {EXAMPLE}.") from None
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
            **options,
            "pool": {"min_size": 1, "max_size": pool_size, "timeout": WAIT_FOR_CONNECTION_SECONDS},
        },
    }
