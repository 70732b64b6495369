"""Lets nobody work under a password that somebody else knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from bridge_site.models import TemporaryPassword

# What a person with a temporary password may open.
ALLOWED = ("admin:password_change", "admin:logout", "admin:jsi18n", "set_language")

Answer = Callable[[HttpRequest], HttpResponseBase]


class StaffBackend(ModelBackend):
    """Django's own, reading the account and its temporary password at once."""

    def get_user(self, user_id: Any) -> User | None:
        rows = User.objects.select_related("temporary_password")
        user = rows.filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None


class OwnPasswordMiddleware:
    """Leads whoever has a temporary password to the page where it is changed."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # A stranger's request, as Kaspi's for the list, is not asked who it is.
        is_known = settings.SESSION_COOKIE_NAME in request.COOKIES
        if (
            is_known
            and request.path not in map(reverse, ALLOWED)
            and has_temporary_password(request.user)
        ):
            return redirect("admin:password_change")
        return self.get_response(request)


def has_temporary_password(user: Any) -> bool:
    try:
        return bool(user.temporary_password)
    except (AttributeError, TemporaryPassword.DoesNotExist):
        # A stranger's page, or a password that is nobody else's.
        return False
