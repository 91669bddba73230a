"""How the log looks: plain for people, JSON for collectors; and what it never shows.

Secrets are masked in the finished line, so that neither arguments nor tracebacks can bring one in. There is one
handler, which everything reaches: a second one would be a second place to forget that.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from cluster import log_context
from cluster.redaction import redact
from swaps.logs.masking import mask_secrets

FORMATS = ("plain", "json")


def configuration(form: str, level: str, *, access: bool) -> dict[str, Any]:
    """For settings.LOGGING. `access`: one line for each request, whatever `level` says."""
    own = {"handlers": [], "propagate": True}  # Django's own handlers know nothing of secrets
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"()": PlainLines}, "json": {"()": JsonLines}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django": {**own, "level": level},
            "django.server": {**own, "level": level},
            "sparkcontrol.access": {"level": "INFO" if access else "CRITICAL"},
        },
    }


def clean(text: str) -> str:
    """Without secrets, by their shape and by their value."""
    return mask_secrets(redact(text))


class PlainLines(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        about = " ".join(f"{name}={word}" for name, word in log_context.words().items())
        line = super().formatMessage(record)
        return f"{line} [{about}]" if about else line

    def format(self, record: logging.LogRecord) -> str:
        return clean(super().format(record))


class JsonLines(logging.Formatter):
    """One object a line: at, level, logger, message, process, and what is known of request_id, swap, slot, traceback.

    An access line also has method, path, status and milliseconds.
    """

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": clean(record.getMessage()),
            "process": record.process,
            **{name: clean(word) for name, word in log_context.words().items()},
            **{name: clean(v) if isinstance(v, str) else v for name, v in getattr(record, "access", {}).items()},
        }
        if record.exc_info:
            told["traceback"] = clean(self.formatException(record.exc_info))
        if record.stack_info:
            told["stack"] = clean(self.formatStack(record.stack_info))
        return json.dumps(told, ensure_ascii=False, default=str)
