"""The product's settings on a data directory of their own, so that no test ever touches var/."""

import atexit
import os
import shutil
import tempfile

_data = tempfile.mkdtemp(prefix="sparkcontrol-tests-")
atexit.register(shutil.rmtree, _data, ignore_errors=True)
os.environ["SPARKCONTROL_DATA_DIR"] = _data  # child processes of a test see it too

from sparkcontrol.settings import *  # noqa: E402, F403
from sparkcontrol.settings import DATA_DIR, DATABASES, STORAGES  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, as in the product: WAL, several threads.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # signing in is not what is tested, 1000 times
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # no collectstatic first
