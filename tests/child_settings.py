"""Settings of a process that a test starts and kills: the product's, on the database of that test.

The test names the database in TEST_DATABASE; the data directory comes along in the environment.
"""

import os

from sparkcontrol.settings import *  # noqa: F403
from sparkcontrol.settings import DATABASES, STORAGES

DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WEBHOOK_NETWORKS = ["private", "127.0.0.0/8"]
