"""Keeps threads free for the price list: neither logins nor pages may take them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from http import HTTPStatus
from threading import Semaphore
from typing import Any

from django.conf import settings

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

# What Kaspi and whoever watches the bridge ask for: answered whatever else goes on.
ALWAYS = ("/kaspi_price_list.xml", "/healthz", "/readyz")
KEPT_FREE = 2
# A password takes most of a second of a core to look at.
LOGINS_AT_ONCE = 2
RETRY_AFTER_S = 3
SORRY = (
    "Сейчас слишком много запросов. Попробуйте через несколько секунд.\n"
    "Too many requests at once. Try again in a few seconds.\n"
)


class Gate:
    """A WSGI application that lets in no more than it has threads to spare."""

    def __init__(self, application: Application, *, threads: int) -> None:
        self._application = application
        self._pages = Semaphore(threads - KEPT_FREE)
        self._logins = Semaphore(LOGINS_AT_ONCE)

    def __call__(
        self, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer, or say 503 at once: whoever waited would hold a thread."""
        with ExitStack() as held:
            for places in self._needed(environ):
                if not places.acquire(blocking=False):
                    return _sorry(start_response)
                held.callback(places.release)
            return self._application(environ, start_response)

    def _needed(self, environ: Environ) -> list[Semaphore]:
        path = environ.get("PATH_INFO", "")
        if path in ALWAYS:
            return []
        is_login = environ.get("REQUEST_METHOD") == "POST" and path.endswith("/login/")
        return [self._pages, self._logins] if is_login else [self._pages]


def _sorry(start_response: StartResponse) -> Iterable[bytes]:
    body = SORRY.encode()
    status = HTTPStatus.SERVICE_UNAVAILABLE
    start_response(
        f"{status.value} {status.phrase}",
        [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Retry-After", str(RETRY_AFTER_S)),
            ("Content-Security-Policy", "default-src 'none'"),
            *settings.HEADERS_OF_ALL.items(),
        ],
    )
    return [body]
