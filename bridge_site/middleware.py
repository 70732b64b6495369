"""What each request passes through."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBadRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase

from bridge_site.callers import is_within
from plumbing import tracing
from plumbing.adjusting import settled_by_last_look
from plumbing.callers import read_address

REQUEST_ID = "X-Request-ID"
# Asked all day by machines: their lines would hide the others.
UNTOLD = ("/healthz", "/readyz", "/metrics", "/static/")
# What Kaspi and whoever watches the bridge ask for: nothing can be posted there.
FOR_MACHINES = ("/kaspi_price_list.xml", "/healthz", "/readyz", "/metrics")
log = logging.getLogger("bridge.requests")


class RequestIdMiddleware:
    """Gives each request an id that stands in all it leaves behind.

    A web server that is trusted may name it, so that its own log can be joined; what
    anybody else calls his request is dropped. It comes first: before the caller's true
    address takes the place of the neighbour's.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        begun, name = time.monotonic(), _told_id(request) or tracing.new_id()
        with tracing.traced(request=name):
            response = self._get_response(request)
            # Without what was asked for: a buyer's phone may be sought.
            if not request.path_info.startswith(UNTOLD):
                user = getattr(request, "_cached_user", None)
                log.info(
                    "%s %s: %s in %d ms, user %s",
                    *(request.method, request.path_info, response.status_code),
                    (time.monotonic() - begun) * 1000,
                    getattr(user, "pk", None) or "-",
                )
        response.headers[REQUEST_ID] = name
        return response


def _told_id(request: HttpRequest) -> str:
    told = request.headers.get(REQUEST_ID, "")
    neighbour = read_address(request.META.get("REMOTE_ADDR", ""))
    is_trusted = neighbour is not None and is_within(
        neighbour, settings.TRUSTED_PROXIES
    )
    return told if is_trusted and tracing.is_safe(told) else ""


class SettledSettingsMiddleware:
    """Answers each request by the owner's settings as they were when it came."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with settled_by_last_look():
            return self._get_response(request)


class HeadersMiddleware:
    """Tells the browser what no page of ours needs, on every answer whatever it is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        for name, value in settings.HEADERS_OF_ALL.items():
            response.headers.setdefault(name, value)
        return response


class MethodsMiddleware:
    """Turns away what no page has a use for, before any of them is asked.

    Django's admin takes every method but POST for a GET. A NUL, which no text of a
    database may hold, PostgreSQL refuses in the middle of a list.
    """

    READING = ("GET", "HEAD")
    KNOWN = (*READING, "POST")

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method not in self.KNOWN:
            is_read = request.path_info in FOR_MACHINES
            return HttpResponseNotAllowed(self.READING if is_read else self.KNOWN)
        if "%00" in request.META.get("QUERY_STRING", ""):
            return HttpResponseBadRequest()
        return self._get_response(request)
