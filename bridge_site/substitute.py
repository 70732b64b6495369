"""Gives out the last price list while the site is away for an update.

A process of its own, of the release that ran before. It is told to load while the site
still answers, listens as soon as that lets go, and lets go when the new site is ready.
It leaves the database alone, which others copy and migrate meanwhile.
"""

from __future__ import annotations

import _thread
import logging
import threading
from collections.abc import Iterable
from contextlib import suppress

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import DatabaseError, connections
from django.urls import reverse

from bridge_site.control import find_control
from bridge_site.gate import Application, Environ, StartResponse, put_off
from bridge_site.listening import await_turn, make_server, wake
from bridge_site.processes import exit_after, parse_address, when_parent_ends
from feeds.fetching import keep_visits, note_kept_visits
from plumbing.adjusting import forget, look

log = logging.getLogger("bridge.substitute")
# Noting the visits may wait for a database that is busy.
ENDS_WITHIN_S = 40.0
RETRY_AFTER_S = 5
UPDATING = (
    "Программа обновляется. Страница откроется сама через несколько секунд.\n"
    "The bridge is being updated: the page comes by itself in a few seconds.\n"
)


def stand_in(listen: str) -> None:
    """Answer in the site's place, once it is gone, until the parent ends."""
    if "web" not in settings.HOST_ROLES or not parse_address(listen)[1]:
        # No site here, or one that listens elsewhere each time.
        return
    application = only_the_list(get_wsgi_application())
    keep_visits()
    try:
        look()
    except DatabaseError:
        # It goes by the environment, and does not ask again.
        forget()
    connections.close_all()
    told_to_end = threading.Event()
    when_parent_ends(told_to_end.set)
    if control := find_control():
        control.tell_ready()
    if not await_turn(listen, is_over=told_to_end.wait):
        return
    server = make_server(application, listen)

    def end() -> None:
        told_to_end.wait()
        exit_after(ENDS_WITHIN_S)
        _thread.interrupt_main()
        wake(server)

    # It may come before the server has begun.
    with suppress(KeyboardInterrupt):
        threading.Thread(target=end, name="end", daemon=True).start()
        server.run()
    server.close()
    try:
        note_kept_visits()
    except DatabaseError as error:
        log.warning("Fetches during the update were not noted: %s", error)


def only_the_list(application: Application) -> Application:
    """Let through who asks for the price list; everybody else is put off."""
    path = reverse("price_list")

    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == path:
            return application(environ, start_response)
        return put_off(
            start_response, UPDATING, after_s=RETRY_AFTER_S, is_repeated=True
        )

    return answer
