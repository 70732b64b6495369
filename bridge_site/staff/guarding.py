"""Keeps out whoever guesses passwords, by name and address, before any is hashed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.db.models import Max, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from plumbing.callers import caller_address, caller_network

# What fail2ban reads; deploy/fail2ban/ knows its lines by heart.
log = logging.getLogger("bridge.sign_in")

LONGEST_NAME = 150
REFUSED = "sign-in refused from %s: %s, account %s"
# Typed names may be anything, a password by mistake; only those of accounts are told.
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A name that is not let in from an address for a while."""

    address: str
    until: datetime


class SignInHandler(AxesDatabaseHandler):  # type: ignore[misc]
    """Counts failures, and tells each in one line; keeps no journal of its own."""

    def user_login_failed(
        self,
        sender: Any,
        credentials: dict[str, Any],
        request: HttpRequest | None = None,
        **kwargs: Any,
    ) -> None:
        if request is None:
            return
        was_locked: bool = request.axes_locked_out  # type: ignore[attr-defined]
        try:
            super().user_login_failed(sender, credentials, request, **kwargs)
        except DatabaseError:
            # A full disk: nobody must be kept out because a guess cannot be counted.
            log.exception("a failed sign-in could not be counted")
        note_refused(
            request,
            "locked out" if was_locked else "wrong password",
            name=counted_name(request, credentials),
        )

    def user_logged_in(
        self, sender: Any, request: HttpRequest, user: User, **kwargs: Any
    ) -> None:
        name = {"username": user.get_username()}
        try:
            self.reset_user_attempts(request, name)
            # What strangers typed, and from where, is kept no longer than it counts.
            self.clean_expired_user_attempts(request, name)
        except DatabaseError:
            log.exception("failed sign-ins could not be forgotten")
        log.info("signed in from %s: %s", caller_address(request), name["username"])

    def user_logged_out(self, *_who: Any, **_kwargs: Any) -> None:
        pass


def note_refused(request: HttpRequest, why: str, *, name: str) -> None:
    """Write the line that fail2ban reads."""
    told = name if User.objects.filter(username=name).exists() else UNKNOWN
    log.warning(REFUSED, caller_address(request) or "-", why, told)


# --- What django-axes asks ------------------------------------------------------------


def counted_name(_request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """Give the name as failures are counted for it, however it was typed."""
    typed = str((credentials or {}).get("username") or "")
    return typed.replace("\0", "").strip()[:LONGEST_NAME].lower()


def counted_address(request: HttpRequest) -> str | None:
    return caller_network(request) or None


def most_failures(_request: HttpRequest, _credentials: Any) -> int:
    return int(settings.SIGN_IN_ATTEMPTS)


def locked_for(_request: HttpRequest | None = None) -> timedelta:
    return timedelta(minutes=settings.SIGN_IN_LOCKED_MIN)


def show_locked(
    request: HttpRequest,
    _original: HttpResponse | None,
    credentials: dict[str, Any] | None,
) -> HttpResponse:
    """Say that sign-in is closed for a while, and what to do."""
    name, address = counted_name(request, credentials), counted_address(request)
    last = (
        _counting()
        .filter(username=name, ip_address=address)
        .aggregate(at=Max("attempt_time"))
    )
    now = timezone.now()
    left = (last["at"] or now) + locked_for() - now
    minutes = max(1, ceil(left.total_seconds() / 60))
    context = {"attempts": settings.SIGN_IN_ATTEMPTS, "minutes": minutes}
    page = render(request, "bridge/locked_out.html", context, status=429)
    page.headers["Retry-After"] = str(minutes * 60)
    return page


# --- What the owner sees and does -----------------------------------------------------


def locked_names(names: Iterable[str]) -> dict[str, list[Locked]]:
    """Find which of these names are kept out, from where and until when."""
    known = {counted_name_of(name): name for name in names}
    found = (
        _counting()
        .filter(username__in=known)
        .values_list("username", "ip_address")
        .annotate(failures=Sum("failures_since_start"), last=Max("attempt_time"))
        .filter(failures__gte=settings.SIGN_IN_ATTEMPTS)
        .order_by("username", "-last")
    )
    locked: dict[str, list[Locked]] = {}
    for counted, address, _failures, last in found:
        until = Locked(address=address or "", until=last + locked_for())
        locked.setdefault(known[counted], []).append(until)
    return locked


def unlock(user: User) -> int:
    """Let somebody try again from everywhere; returns how many failures were kept."""
    counted = AccessAttempt.objects.filter(
        username=counted_name_of(user.get_username())
    )
    return int(counted.delete()[0])


def counted_name_of(name: str) -> str:
    return name[:LONGEST_NAME].lower()


def _counting() -> Any:
    since = timezone.now() - locked_for()
    return AccessAttempt.objects.filter(attempt_time__gte=since)
