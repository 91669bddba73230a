"""Whether this process lives, and whether the installation can do its work: for supervisors, gateways and monitors."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from cluster import lookouts, nudge

RETRY_SECONDS = 5


def healthz(_: HttpRequest) -> HttpResponse:
    """This process answers. It asks nobody, so that no part that is away gets this one restarted."""
    return JsonResponse({"status": "ok"})


def readyz(_: HttpRequest) -> HttpResponse:
    """The database answers and is up to date, Redis answers where it is used, and a task worker looks around."""
    reasons = [{"part": part, "detail": detail} for part, detail in _problems()]
    if not reasons:
        return JsonResponse({"status": "ok", "reasons": []})
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return JsonResponse({"status": "not-ready", "reasons": reasons}, status=503, headers=headers)


def _problems() -> Iterator[tuple[str, str]]:
    for part, ask in (("database", _missing_migrations), ("worker", _silent_workers)):
        sentence = _of_database(ask)
        if sentence:
            yield part, sentence
            break  # without its tables the rest cannot be asked
    if away := nudge.problem():
        yield "redis", away


def _of_database(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except (DatabaseError, InterfaceError) as error:
        return f"The database does not answer: {error}"


def _missing_migrations() -> str:
    missing = _migrations_on_disk() - set(MigrationRecorder(connection).applied_migrations())
    if not missing:
        return ""
    return f"{len(missing)} migrations are missing in the database; run: manage.py bootstrap"


def _silent_workers() -> str:
    silence = lookouts.silence(timezone.now())
    if silence is None:
        return ""
    since = "yet" if silence == timedelta.max else f"for {round(silence.total_seconds())} s"
    return f"No task worker has looked around {since}; see that one runs: python -m sparkcontrol.worker"


@cache
def _migrations_on_disk() -> frozenset[tuple[str, str]]:
    loader = MigrationLoader(None)
    return frozenset(loader.disk_migrations)
