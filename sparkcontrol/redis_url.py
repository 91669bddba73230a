"""REDIS_URL as Celery's broker settings. Pure."""

import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from sparkcontrol.env import BadEnvironment

SCHEMES = ("redis", "rediss", "unix")
ID = "sparkcontrol.E013"
EXAMPLE = "redis://:password@host:6379/0"
# A delivery that is not acknowledged for so long comes again. Ours are acknowledged at once, so it never matters;
# shorter than the longest task it would start second copies of it (measured).
VISIBILITY_SECONDS = 7200
# A dead link is noticed after 25 s instead of after two hours.
KEEPALIVE = {socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}
OPTIONS: dict[str, Any] = {
    "visibility_timeout": VISIBILITY_SECONDS,
    "socket_connect_timeout": 5,
    "socket_timeout": 10,  # a worker's reads answer every second, so this is a dead connection
    "health_check_interval": 10,  # a consumer on a dead link connects anew within 21 s
}


@dataclass(frozen=True, slots=True)
class Broker:
    url: str
    options: dict[str, Any] = field(repr=False)
    ssl: dict[str, Any] | None


def broker_from(url: str) -> Broker:
    """Raises BadEnvironment, which never shows the password."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not (parts.path if parts.scheme == "unix" else parts.hostname):
        raise BadEnvironment(
            f"REDIS_URL is not an address Spark Control can use; write {EXAMPLE}, rediss:// for TLS, or "
            "unix:///path/to/redis.sock for a Unix socket.",
            ID,
        )
    _check_port_and_database(url)
    if parts.scheme == "unix":
        query = dict(parse_qsl(parts.query))
        password = f":{quote(query['password'], safe='')}@" if "password" in query else ""
        socket_url = f"redis+socket://{password}{parts.path}?virtual_host={query.get('db', '0')}"
        return Broker(socket_url, dict(OPTIONS), None)
    options = {**OPTIONS, "socket_keepalive": True, "socket_keepalive_options": KEEPALIVE}
    return Broker(url, options, {"ssl_cert_reqs": "required"} if parts.scheme == "rediss" else None)


def _check_port_and_database(url: str) -> None:
    parts = urlsplit(url)
    try:
        _ = parts.port
    except ValueError:
        raise BadEnvironment(f"The port in REDIS_URL is no number; write {EXAMPLE}.", ID) from None
    database = dict(parse_qsl(parts.query)).get("db", "" if parts.scheme == "unix" else parts.path.strip("/"))
    if database and not database.isdigit():
        raise BadEnvironment(f"The database in REDIS_URL must be a number; write {EXAMPLE}.", ID)
