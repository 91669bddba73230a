from urllib.parse import unquote, urlsplit

from django.apps import AppConfig
from django.conf import settings

from cluster import redaction
from sparkcontrol import celery, checks

__all__ = ["SparkControlConfig", "celery", "checks"]  # imported for what they register


class SparkControlConfig(AppConfig):
    name = "sparkcontrol"
    verbose_name = "Spark Control"

    def ready(self) -> None:
        """What the settings hold must never be logged."""
        for secret in (settings.SECRET_KEY, settings.DATABASES["default"].get("PASSWORD"), *_passwords()):
            redaction.know(str(secret or ""))


def _passwords() -> list[str]:
    """Of the queue's address."""
    word = urlsplit(str(settings.CELERY_BROKER_URL)).password
    return [word, unquote(word)] if word else []
