"""The settings as the tests use them: no .env, loopback peers, test secrets."""

import os
import zlib
from pathlib import Path
from tempfile import gettempdir

# Two checkouts on one machine may be tested at once, and each by several workers.
var_dir = Path(
    os.environ.get("TEST_VAR_DIR")
    or f"{gettempdir()}/kaspi-bridge-tests-{zlib.crc32(__file__.encode()):08x}",
    # Taken away: a child of the worker has the folder it is given, and no part of it.
    os.environ.pop("PYTEST_XDIST_WORKER", ""),
)
var_dir.mkdir(parents=True, exist_ok=True)
os.environ["TEST_VAR_DIR"] = str(var_dir)
os.environ.update(
    ENV_FILE=os.devnull,
    SECRET_KEY="tests-only-" + "k" * 50,
    ALLOWED_HOSTS="testserver,127.0.0.1,localhost",
    HTTPS_ONLY="0",
    DEBUG="0",
    ALSTYLE_URL="http://127.0.0.1:9",
    ALSTYLE_TOKEN="alstyle-test-token",
    ALSTYLE_INTERVAL_S="0",
    ALSTYLE_TIMEOUT_S="5",
    PEER_BACKOFF_S="0.01",
    KASPI_URL="http://127.0.0.1:9/shop/api",
    KASPI_TOKEN="kaspi-test-token",
    KASPI_MERCHANT_ID="QazDemo",
    KASPI_COMPANY="Qaz Demo",
    KASPI_INTERVAL_S="0",
    SUPERVISE_FIRST_PURCHASE="0",
    # The test machine's disk is not what is tested.
    DISK_LOW_MB="0",
    VAR_DIR=str(var_dir),
    DATABASE_URL=os.environ.get("TEST_DATABASE_URL", ""),
)

from bridge_site.settings import *  # noqa: E402, F403

# A folder from before may be open to others, which would be told.
VAR_DIR.chmod(0o700)  # noqa: F405

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # A file, not memory: threads and other processes must meet on it.
    DATABASES["default"]["TEST"] = {"NAME": VAR_DIR / "test.sqlite3"}  # noqa: F405
# Processes that tests start write logs; the tests themselves only to pytest.
LOGGING["handlers"]["file"] = {"class": "logging.NullHandler"}  # noqa: F405
STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
# Tests empty their database all the time; those of the guard set one of their own.
EPOCH_MARK = None
BACKUP_DIR = VAR_DIR / "backups"  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Nobody collects static files for the tests; WhiteNoise would warn of their absence.
WHITENOISE_AUTOREFRESH = True
