"""Keeps threads free for the price list: neither logins nor pages may take them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from http import HTTPStatus
from threading import Lock, Semaphore
from typing import Any

from django.conf import settings

from bridge_site.callers import caller_of
from bridge_site.middleware import FOR_MACHINES

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

# What watchers ask for has a thread of its own each: a database that fell silent, and
# does not even refuse, holds that one and no more.
WATCHED = {"/healthz": "/healthz", "/readyz": "/readyz", "/metrics": "/readyz"}
WATCHERS_WAIT_S = 0.5
# For the list, and for those that watch.
KEPT_FREE = 3
# A password takes most of a second of a core to look at.
LOGINS_AT_ONCE = 2
RETRY_AFTER_S = 3
SORRY = (
    "Сейчас слишком много запросов. Попробуйте через несколько секунд.\n"
    "Too many requests at once. Try again in a few seconds.\n"
)


class Logins:
    """Places for logins, one for each address: nobody keeps all others out."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._addresses: set[str] = set()
        self._lock = Lock()

    def take(self, address: str) -> bool:
        with self._lock:
            is_free = len(self._addresses) < self._places
            if is_free and address not in self._addresses:
                self._addresses.add(address)
                return True
            return False

    def give_back(self, address: str) -> None:
        with self._lock:
            self._addresses.discard(address)


class Gate:
    """A WSGI application that lets in no more than it has threads to spare."""

    def __init__(self, application: Application, *, threads: int) -> None:
        self._application = application
        self._pages = Semaphore(threads - KEPT_FREE)
        self._logins = Logins(LOGINS_AT_ONCE)
        self._watchers = {kind: Semaphore(1) for kind in WATCHED.values()}

    def __call__(
        self, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer, or say 503 at once: whoever waited would hold a thread."""
        path = environ.get("PATH_INFO", "")
        if path in WATCHED:
            return self._answer_watcher(environ, start_response, path)
        # A page asks for its files all at once; each takes a thread for a moment only.
        if path in FOR_MACHINES or path.startswith(settings.STATIC_URL):
            return self._application(environ, start_response)
        with ExitStack() as held:
            if not self._pages.acquire(blocking=False):
                return put_off(start_response, SORRY, after_s=RETRY_AFTER_S)
            held.callback(self._pages.release)
            if environ.get("REQUEST_METHOD") == "POST" and path.endswith("/login/"):
                address = caller_of(environ)
                if not self._logins.take(address):
                    return put_off(start_response, SORRY, after_s=RETRY_AFTER_S)
                held.callback(self._logins.give_back, address)
            return self._application(environ, start_response)

    def _answer_watcher(
        self, environ: Environ, start_response: StartResponse, path: str
    ) -> Iterable[bytes]:
        place = self._watchers[WATCHED[path]]
        if not place.acquire(timeout=WATCHERS_WAIT_S):
            return put_off(start_response, SORRY, after_s=RETRY_AFTER_S)
        try:
            return self._application(environ, start_response)
        finally:
            place.release()


def put_off(
    start_response: StartResponse, text: str, *, after_s: int, is_page: bool = False
) -> Iterable[bytes]:
    """Answer that it does not go now; a page is asked for again by the browser."""
    body = text.encode()
    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind, policy = "plain", "default-src 'none'"
    if is_page:
        kind, policy = "html", f"{policy}; style-src 'self'"
    headers = [
        ("Content-Type", f"text/{kind}; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Retry-After", str(after_s)),
        ("Content-Security-Policy", policy),
        *settings.HEADERS_OF_ALL.items(),
    ]
    if is_page:
        headers.append(("Refresh", str(after_s)))
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
