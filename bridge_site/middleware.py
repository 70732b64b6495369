"""What each request passes through."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from plumbing.adjusting import settled_by_last_look


class SettledSettingsMiddleware:
    """Answers each request by the owner's settings as they were when it came."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with settled_by_last_look():
            return self._get_response(request)
