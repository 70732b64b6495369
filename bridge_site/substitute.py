"""Gives out the last price list while the site is away for an update, or for room.

A process of its own, of the release that ran before. It is told to load while the site
still answers, listens as soon as that lets go, and lets go for a while at run.py's
word, when the new site is ready; should that fall over, it listens again. It leaves the
database alone, which others copy and migrate meanwhile.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import DatabaseError, connections
from django.template.loader import render_to_string
from django.urls import reverse

from bridge_site.control import find_control
from bridge_site.disks import is_any_full
from bridge_site.gate import Application, Environ, StartResponse, put_off
from bridge_site.listening import (
    await_turn,
    finish_and_close,
    interrupt,
    let_interrupt,
    make_server,
)
from bridge_site.processes import exit_after, parse_address, when_parent_ends
from feeds.fetching import keep_visits, note_kept_visits
from plumbing.adjusting import forget, look

log = logging.getLogger("bridge.substitute")
# Noting the visits may wait for a database that is busy.
ENDS_WITHIN_S = 40.0
# In which the next site comes to listen, or never.
OTHERS_TURN_S = 2.0
RETRY_AFTER_S = 5
# All that the page needs which is shown meanwhile.
STYLE = "bridge/fault.css"


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
    let_interrupt()
    told_to_end, let_go = threading.Event(), threading.Event()

    def end() -> None:
        exit_after(ENDS_WITHIN_S)
        told_to_end.set()
        let_go.set()

    when_parent_ends(end, on_word=let_go.set)
    if control := find_control():
        control.tell_ready()
    while await_turn(listen, is_over=told_to_end.wait):
        _serve(make_server(application, listen), until=let_go)
        if told_to_end.wait(OTHERS_TURN_S):
            break
        let_go.clear()
    try:
        note_kept_visits()
    except DatabaseError as error:
        log.warning("Fetches during the update were not noted: %s", error)


def _serve(server: Any, *, until: threading.Event) -> None:
    def end() -> None:
        until.wait()
        interrupt(server)

    # It may come before the server has begun.
    with suppress(KeyboardInterrupt):
        threading.Thread(target=end, name="end", daemon=True).start()
        server.run()
    finish_and_close(server)


def only_the_list(application: Application) -> Application:
    """Let through who asks for the price list; everybody else is put off."""
    paths = {reverse("price_list"), f"{settings.STATIC_URL}{STYLE}"}

    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") in paths:
            return application(environ, start_response)
        what = {"is_full": is_any_full(), "is_switching": True}
        page = render_to_string("503.html", what)
        return put_off(start_response, page, after_s=RETRY_AFTER_S, is_page=True)

    return answer
