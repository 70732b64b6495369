"""What a web server in front needs to give out the list itself while we are away."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import bcrypt
from django.conf import settings

from feeds import files

logger = logging.getLogger(__name__)
FILE_NAME = "login.htpasswd"
# Ten thousand guesses take minutes; a fetch without the bridge, no time to speak of.
ROUNDS = 8
# More bcrypt does not look at, here as in web servers.
MOST_BYTES = 72


def login_path() -> Path:
    return Path(settings.FEED_DIR) / FILE_NAME


def keep_login() -> None:
    """Keep the list's login beside the list, as nginx and Apache read it, or none.

    The configurations in `deploy/` ask for a login exactly when the file is there.
    """
    try:
        files.make_directories()
        if not settings.FEED_USER:
            login_path().unlink(missing_ok=True)
        elif not _is_kept():
            _write()
    except OSError as error:
        logger.warning("The price list's login could not be kept: %s", error)


def _password() -> bytes:
    return str(settings.FEED_PASSWORD).encode()[:MOST_BYTES]


def _is_kept() -> bool:
    try:
        user, _colon, kept = login_path().read_text("utf-8").strip().rpartition(":")
        return user == settings.FEED_USER and bcrypt.checkpw(_password(), kept.encode())
    except (FileNotFoundError, ValueError):
        return False


def _write() -> None:
    digest = bcrypt.hashpw(_password(), bcrypt.gensalt(ROUNDS)).decode()
    # The same by the name that Apache knows.
    digest = re.sub(r"^\$2b\$", "$2y$", digest)
    fresh = files.temporary_path(FILE_NAME)
    fresh.write_text(f"{settings.FEED_USER}:{digest}\n", encoding="utf-8")
    fresh.chmod(files.LIVE_MODE)
    files.replace(fresh, login_path())
