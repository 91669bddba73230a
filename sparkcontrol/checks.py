"""Mistakes in the configuration, told at the start with a hint."""

import os
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from services.webhooks import guard

TAG = "sparkcontrol"
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
