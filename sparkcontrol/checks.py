"""Mistakes in the configuration, told at the start with a hint."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from services.webhooks import guard
from sparkcontrol import env

TAG = "sparkcontrol"
REDIS_SECONDS = 2
MOUNTED_SECRETS = Path("/run/secrets")  # of a container, where nobody else is
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@register(TAG)
def data_directory(**_: Any) -> Sequence[CheckMessage]:
    if os.access(settings.DATA_DIR, os.W_OK):
        return []
    return [
        Error(
            f"The data directory {settings.DATA_DIR} cannot be written.",
            hint="Give its folder to this user, or name another in SPARKCONTROL_DATA_DIR.",
            id="sparkcontrol.E001",
        )
    ]


@register(TAG)
def debug_on_the_network(**_: Any) -> Sequence[CheckMessage]:
    """Django's debug pages show settings and source to whoever causes an error."""
    if not settings.DEBUG or settings.BIND in LOOPBACK:
        return []
    return [
        Error(
            f"SPARKCONTROL_DEBUG is on while listening on {settings.BIND}.",
            hint="Turn it off, or bind to 127.0.0.1.",
            id="sparkcontrol.E002",
        )
    ]


@register(TAG)
def any_host_allowed(**_: Any) -> Sequence[CheckMessage]:
    """Without a list, a web page elsewhere can reach us under a name of its own (DNS rebinding)."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Warning(
            "SPARKCONTROL_ALLOWED_HOSTS allows every host name.",
            hint="List the names people use, for example: spark.lan,192.168.1.10",
            id="sparkcontrol.W001",
        )
    ]


@register(TAG)
def secrets_readable_by_others(**_: Any) -> Sequence[CheckMessage]:
    files = [settings.DATA_DIR / "secret-key", settings.SPARKCONTROL_ENCRYPTION_KEY_FILE]
    files += [path for path in env.files_read.values() if MOUNTED_SECRETS not in path.parents]
    return [
        Warning(
            f"{path} can be read by other users of this machine.",
            hint=f"Run: chmod 600 {path}",
            id="sparkcontrol.W002",
        )
        for path in files
        if path.exists() and path.stat().st_mode & 0o077
    ]


@register(TAG)
def webhook_networks(**_: Any) -> Sequence[CheckMessage]:
    try:
        guard.parse_allowances(settings.WEBHOOK_NETWORKS)
    except ValueError as error:
        hint = "Write for example: private,external or private,127.0.0.0/8"
        return [Error(f"SPARKCONTROL_WEBHOOK_NETWORKS: {error}", hint=hint, id="sparkcontrol.E003")]
    return []


@register(TAG)
def encryption_keys(**_: Any) -> Sequence[CheckMessage]:
    path = settings.SPARKCONTROL_ENCRYPTION_KEY_FILE
    if not path.exists() or os.access(path, os.R_OK):
        return []
    hint = "Give the file to the user who runs Spark Control; without it no Spark can be signed in to."
    return [Error(f"The encryption keys in {path} cannot be read.", hint=hint, id="sparkcontrol.E004")]


@register(TAG)
def one_machine_only(**_: Any) -> Sequence[CheckMessage]:
    """Redis is for several machines, and SQLite is a file of one."""
    if not settings.REDIS_URL or settings.DATABASE_URL:
        return []
    return [
        Warning(
            "REDIS_URL is set, but the database is SQLite, which works for processes of this machine only.",
            hint="Set DATABASE_URL before anything runs on a second machine.",
            id="sparkcontrol.W003",
        )
    ]


@register(TAG)
def redis_answers(**_: Any) -> Sequence[CheckMessage]:
    """A Redis that is away is no reason not to start; one that refuses us is."""
    if not settings.REDIS_URL:
        return []
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=REDIS_SECONDS, retry=None) as client:
            client.ping()
    except (redis.AuthenticationError, redis.ResponseError) as error:
        hint = "Correct the password in REDIS_URL, or let this user use PING, LPUSH, BRPOP and PUBLISH."
        return [Error(f"Redis refuses REDIS_URL: {error}", hint=hint, id="sparkcontrol.E005")]
    except (redis.RedisError, OSError) as error:
        hint = "Swaps go on without it, a little slower; see that it runs and that REDIS_URL is right."
        return [Warning(f"Redis does not answer: {error}", hint=hint, id="sparkcontrol.W004")]
    return []
