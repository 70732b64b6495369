"""Brings the list in force to a web host, whichever host built it, and keeps it there.

The web server in front gives out the host's own file when the bridge does not answer,
so the file is renewed whether anybody asks for it or not.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from feeds import carrying
from feeds.healing import keep_up
from feeds.retention import delete_old_files
from feeds.standing_in import keep_login

logger = logging.getLogger(__name__)
LOOK_EVERY_S = 3.0
# A disk that is full, or a list that is damaged, is not tried again at once.
TRY_AGAIN_AFTER_S = 30.0


def start_keeping_up(*, wait: Callable[[float], bool]) -> threading.Thread | None:
    """Keep up in a thread until `wait` says to stop; None where one host is all."""
    if not carrying.is_needed():
        return None
    thread = threading.Thread(
        target=_keep_up, args=[wait], name="keeping-up", daemon=True
    )
    thread.start()
    return thread


def _keep_up(wait: Callable[[float], bool]) -> None:
    login = None
    try:
        while True:
            pause_s = LOOK_EVERY_S
            try:
                close_old_connections()
                if keep_up():
                    delete_old_files()
                if login != (login := (settings.FEED_USER, settings.FEED_PASSWORD)):
                    keep_login()
            except DatabaseError as error:
                # It is away for a moment; the list of before is given out meanwhile.
                logger.warning("Which price list is in force is not known: %s", error)
                connection.close()
            except Exception:
                logger.exception("The price list in force did not come to this host")
                pause_s = TRY_AGAIN_AFTER_S
            if wait(pause_s):
                return
    finally:
        connection.close()
