"""All settings. Every variable read here is listed in docs/configuration.md (a test compares them)."""

import socket
from pathlib import Path
from typing import Any

from sparkcontrol import addresses, env, folders, logs
from sparkcontrol.database_url import Limits, database_from
from sparkcontrol.redis_url import broker_from

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.text("SPARKCONTROL_DATA_DIR", str(BASE_DIR / "var"))).resolve()
DEBUG = env.boolean("SPARKCONTROL_DEBUG", False)
SECRET_KEY = env.text("SPARKCONTROL_SECRET_KEY") or folders.kept_secret(DATA_DIR / "secret-key")
SPARKCONTROL_ENCRYPTION_KEY_FILE = Path(env.text("SPARKCONTROL_ENCRYPTION_KEYS", str(DATA_DIR / "encryption-keys")))

BIND = env.text("BIND", "127.0.0.1")
PORT = env.integer("PORT", 9999)
OWN_ADDRESSES = addresses.own_addresses() if BIND in addresses.ANY else []
_hostname = socket.gethostname()
ALLOWED_HOSTS = env.words(
    "SPARKCONTROL_ALLOWED_HOSTS",
    ["localhost", "127.0.0.1", "[::1]", _hostname, f"{_hostname}.local", BIND, *OWN_ADDRESSES],
)

# "lan-open": callers from private networks need no credentials and act as the role `lan` (docs/threat-model.md).
ACCESS_PROFILE = env.choice("SPARKCONTROL_ACCESS", ("keys", "lan-open"))
# Scrapers that cannot send a key may read /metrics without one.
METRICS_OPEN = env.boolean("SPARKCONTROL_METRICS_OPEN", False)
# Where people reach us: links in webhooks begin with it.
SPARKCONTROL_URL = env.text("SPARKCONTROL_URL", f"http://{_hostname if BIND == '0.0.0.0' else BIND}:{PORT}").rstrip("/")  # noqa: S104
# Words (private, external, loopback, tailscale), networks, or network:port; see docs/webhooks.md.
WEBHOOK_NETWORKS = env.words("SPARKCONTROL_WEBHOOK_NETWORKS", ["private"])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "cluster",
    "swaps",
    "services",
    "sparkcontrol",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "sparkcontrol.middleware.SecurityHeaders",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "sparkcontrol.urls"
ASGI_APPLICATION = "sparkcontrol.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["cluster.templatetags.show"],
        },
    }
]

# IMMEDIATE + WAL is the one SQLite setting that never answered "database is locked" with 8 writers (measured).
_sqlite: dict[str, Any] = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": DATA_DIR / "spark-control.sqlite3",
    "CONN_MAX_AGE": None,  # opening a file database costs more than asking it
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 10,  # then the caller hears 503; with 8 writers at once nobody waited longer than 6.7 s (measured)
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
    },
}
DATABASE_URL = env.text("DATABASE_URL")
_limits = Limits(env.integer("DATABASE_LOCK_TIMEOUT", 2), env.integer("DATABASE_STATEMENT_TIMEOUT", 30))
_pool_size = env.integer("DATABASE_POOL_SIZE", 10)
DATABASES = {"default": database_from(DATABASE_URL, _pool_size, _limits) if DATABASE_URL else _sqlite}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]
AUTHENTICATION_BACKENDS = ["services.sign_in.SlowBackend"]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"
SESSION_COOKIE_NAME = "sparkcontrol_session"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_FAILURE_VIEW = "cluster.api.failures.csrf_failure"
CSRF_COOKIE_NAME = "sparkcontrol_csrf"
CSRF_COOKIE_SAMESITE = SESSION_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

LANGUAGE_CODE = "en"
TIME_ZONE = env.text("TZ", "UTC")
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = Path(env.text("SPARKCONTROL_STATIC_DIR", str(DATA_DIR / "static")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "services.api.authentication.BearerKey",
        "services.api.authentication.SignedInPerson",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["cluster.api.permissions.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["cluster.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "cluster.api.pagination.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "cluster.api.problems.answer",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Spark Control",
    "DESCRIPTION": "The GPU arbiter and control plane for NVIDIA DGX Sparks.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
}

# A delivery is a doorbell: acknowledged early, never redelivered, the row decides (docs/architecture.md).
REDIS_URL = env.text("REDIS_URL")
if REDIS_URL:
    _broker = broker_from(REDIS_URL)
    CELERY_BROKER_URL, CELERY_BROKER_TRANSPORT_OPTIONS = _broker.url, _broker.options
    CELERY_BROKER_USE_SSL = _broker.ssl
else:
    CELERY_BROKER_URL = "folder://localhost"  # sparkcontrol.folder_broker; the host name means nothing
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "folder": str(folders.private_folder(DATA_DIR / "broker")),
        "polling_interval": 0.1,
    }
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False  # nothing here asks workers questions
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = bool(REDIS_URL)  # else a busy worker keeps messages an idle one could take
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
CELERY_BROKER_CONNECTION_RETRY = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "swaps.tasks.drive_swap": {"queue": "swaps"},
    "swaps.tasks.probe_slots": {"queue": "probes"},
    "cluster.tasks.*": {"queue": "probes"},
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

NUDGE_DIR = folders.socket_folder(DATA_DIR / "nudge")  # one datagram socket per listener, without REDIS_URL

# Days; None keeps it for ever (sparkcontrol/retention.py).
KEEP_DAYS = {
    "log": env.days("SPARKCONTROL_KEEP_LOG_DAYS", 30),
    "events": env.days("SPARKCONTROL_KEEP_EVENTS_DAYS", 90),
    "deliveries": env.days("SPARKCONTROL_KEEP_DELIVERIES_DAYS", 30),
    "readings": env.days("SPARKCONTROL_KEEP_READINGS_DAYS", 1),
    "lock_holds": env.days("SPARKCONTROL_KEEP_LOCK_HOLDS_DAYS", 365),
    "sessions": 0,  # they say themselves when they end
}

LOGGING = logs.configuration(
    env.choice("SPARKCONTROL_LOG_FORMAT", logs.FORMATS),
    env.text("SPARKCONTROL_LOG_LEVEL", "WARNING"),
    access=env.boolean("SPARKCONTROL_ACCESS_LOG", True),
)
