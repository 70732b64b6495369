"""Lets nobody go on to work before everything about their sign-in is as it must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from bridge_site.models import TemporaryPassword
from bridge_site.roles import OWNER
from bridge_site.staff.second_factor import (
    SHOWN,
    device_of,
    must_have_device,
    with_second_factor,
)

LOGIN, CODE, SET_UP = "admin:login", "second_factor", "second_factor_set_up"
PASSWORD = "admin:password_change"  # noqa: S105  (an address)
# What whoever is not yet through may open, beside the step that is next.
ALLOWED = ("admin:logout", "admin:jsi18n", "set_language")
# In the session: when the password was given.
SIGNED_IN_AT = "signed_in_at"
HOUR_S = 3600
# Where Django's own backend keeps what it has read.
KEPT = "_perm_cache"

Answer = Callable[[HttpRequest], HttpResponseBase]


class StaffBackend(ModelBackend):
    """Django's own, reading at once with the account all that sign-in asks of it."""

    def get_user(self, user_id: Any) -> User | None:
        rows = with_second_factor(User.objects.select_related("temporary_password"))
        user = rows.filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Read rights of one's own and those of roles together; Django asks twice."""
        is_plain = obj is None and user_obj.is_active and not user_obj.is_superuser
        if is_plain and not user_obj.is_anonymous and not hasattr(user_obj, KEPT):
            own = self._get_user_permissions(user_obj)  # type: ignore[attr-defined]
            by_role = self._get_group_permissions(user_obj)  # type: ignore[attr-defined]
            names = ("content_type__app_label", "codename")
            rows = [kind.order_by().values_list(*names) for kind in (own, by_role)]
            setattr(user_obj, KEPT, {".".join(row) for row in rows[0].union(rows[1])})
        return super().get_all_permissions(user_obj, obj)


class SigningInMiddleware:
    """Leads whoever has not done all that sign-in asks to the page where it is done."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # A stranger's request, as Kaspi's for the list, is not asked who it is.
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return self.get_response(request)
        step = next_step(request)
        if not step or request.path in map(reverse, (step, *ALLOWED)):
            return self.get_response(request)
        if step == LOGIN:
            logout(request)
        url = reverse(step)
        return redirect(_with_way_back(request, url) if step in (LOGIN, CODE) else url)


def next_step(request: HttpRequest) -> str:
    """Name the page that this person's sign-in needs next, "" when it needs none."""
    user = request.user
    if not user.is_authenticated:
        return ""
    if is_over(request):
        return LOGIN
    device = device_of(user)
    if device is not None and request.session.get(SHOWN) != device:
        return CODE
    if has_temporary_password(user):
        return PASSWORD
    return SET_UP if device is None and must_have_device(user) else ""


def has_temporary_password(user: Any) -> bool:
    try:
        return bool(user.temporary_password)
    except (AttributeError, TemporaryPassword.DoesNotExist):
        # A stranger's page, or a password that is nobody else's.
        return False


# --- How long it lasts ----------------------------------------------------------------


def begin_session(request: HttpRequest, user: User, **_signal: Any) -> None:
    """Note when the password was given, and let the cookie last as long as that."""
    request.session[SIGNED_IN_AT] = timezone.now().timestamp()
    request.session.set_expiry(hours_of(user) * HOUR_S)


def is_over(request: HttpRequest) -> bool:
    """Tell whether the password was given too long ago, by today's settings."""
    began = request.session.get(SIGNED_IN_AT)
    if began is None:
        # Begun before this was noted: it ends as it was begun.
        return False
    age_s: float = timezone.now().timestamp() - began
    shortest = min(settings.SESSION_HOURS, settings.OWNER_SESSION_HOURS)
    if age_s <= shortest * HOUR_S or not isinstance(request.user, User):
        return False
    return age_s > hours_of(request.user) * HOUR_S


def hours_of(user: User) -> int:
    """Tell for how many hours this person stays signed in."""
    is_owner = getattr(user, "is_owner", None)
    if is_owner is None:
        # At sign-in itself the account is read as Django reads it.
        is_owner = Group.objects.filter(user=user, name=OWNER).exists()
    is_owner = is_owner or user.is_superuser
    hours: int = settings.OWNER_SESSION_HOURS if is_owner else settings.SESSION_HOURS
    return hours


def _with_way_back(request: HttpRequest, url: str) -> str:
    if request.method != "GET" or request.path == reverse("admin:index"):
        return url
    return f"{url}?{urlencode({'next': request.get_full_path()})}"
