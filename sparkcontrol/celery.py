"""The Celery application. Light to import: Django is set up by Celery when a worker starts."""

import os

from sparkcontrol import folder_broker
from sparkcontrol.broker import Application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sparkcontrol.settings")

folder_broker.register()
app = Application("sparkcontrol")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["cluster", "swaps"])
# By name, because these need Django's models, which are not loaded yet.
app.steps["worker"].add("sparkcontrol.ticker:Ticker")
app.steps["worker"].add("sparkcontrol.outgoing:Outgoing")
