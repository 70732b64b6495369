"""What each request passes through."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase

from plumbing.adjusting import settled_by_last_look


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

    Django's admin takes every method but POST for a GET.
    """

    KNOWN = ("GET", "HEAD", "POST")

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method not in self.KNOWN:
            return HttpResponseNotAllowed(self.KNOWN)
        return self._get_response(request)
