"""How Celery connects to its broker here: nobody waits long for a broker that is away, and it is found again soon."""

from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from kombu.connection import Connection

LONGEST_PAUSE_SECONDS = 2  # Celery's own grows to 30 s, and that long a swap would wait after a long outage
# For whoever puts a message: often a web request. The reading side waits longer (redis_url.py).
SENDING = {"socket_timeout": 1, "socket_connect_timeout": 1}


class PatientConnection(Connection):
    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        options.setdefault("interval_start", 1)
        options.setdefault("interval_step", 1)
        options.setdefault("interval_max", LONGEST_PAUSE_SECONDS)
        return super().ensure_connection(*args, **options)  # type: ignore[no-untyped-call]


class Amqp(AMQP):  # type: ignore[misc]
    Connection = PatientConnection


class Application(Celery):  # type: ignore[misc]
    amqp_cls = Amqp

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        given = options.pop("transport_options", None) or {}
        limits = SENDING if "redis" in (url or self.conf.broker_url) else {}
        return super().connection_for_write(url, transport_options={**limits, **given}, **options)
