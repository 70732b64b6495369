"""Whether the bridge works, for watchers from outside: no secret and no buyer."""

from __future__ import annotations

import ipaddress
import shutil
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_q.models import OrmQ, Schedule

from feeds.needs import read_state
from orders.models import ReadMark, Step
from plumbing.models import Heartbeat

GIT = settings.BASE_DIR / ".git"
LEAST_FREE_SHARE, LEAST_FREE_BYTES = 0.05, 500 * 1024 * 1024
# A job that is due waits its turn behind a crawl.
JOB_LATE_S = 30 * 60


class HealthMiddleware:
    """Answers /healthz before anything that may fail, whatever host it names."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_asked = request.path_info == "/healthz"
        return healthz(request) if is_asked else self._get_response(request)


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Tell whether web and database answer."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            is_there = cursor.fetchone() is not None
    except DatabaseError:
        is_there = False
    told = {"web": True, "database": is_there, "revision": revision()}
    return JsonResponse(told, status=200 if is_there else 503)


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Tell whether everything works; the parts in detail to those who may know."""
    try:
        parts = read_parts(now=timezone.now())
    except DatabaseError:
        parts = {"database": {"ok": False}}
    is_ready = all(part["ok"] for part in parts.values())
    told: dict[str, Any] = {"ready": is_ready, "revision": revision()}
    if _may_know(request):
        told["parts"] = parts
    return JsonResponse(told, status=200 if is_ready else 503)


def read_parts(*, now: datetime) -> dict[str, dict[str, Any]]:
    """Read how each part does: {"ok": …, and seconds, counts or moments}."""
    parts: dict[str, dict[str, Any]] = {"database": {"ok": True}}
    for beat in Heartbeat.objects.order_by("name"):
        age_s = round((now - beat.beaten_at).total_seconds())
        parts[f"beat {beat.name}"] = {"ok": not beat.is_late(now=now), "age_s": age_s}
    for mark in ReadMark.objects.order_by("state"):
        parts[f"orders {mark.state}"] = {
            "ok": not mark.is_late(now=now),
            "read_until": mark.read_until.isoformat(),
        }
    late = Schedule.objects.filter(next_run__isnull=False).order_by("next_run")
    for name, due in late.values_list("name", "next_run"):
        late_s = round((now - due).total_seconds())
        if late_s > JOB_LATE_S:
            parts[f"job {name}"] = {"ok": False, "late_s": late_s}
    parts["price list"] = _price_list(now=now)
    parts["queue"] = {"ok": True, "tasks": OrmQ.objects.count()}
    parts["steps"] = {"ok": True, "need_a_person": Step.objects.stuck().count()}
    parts["disk"] = _disk(settings.VAR_DIR)
    return parts


def _price_list(*, now: datetime) -> dict[str, Any]:
    state = read_state()
    live, last = state.active, state.last_settled
    if live is None or last is None:
        return {"ok": False, "built_at": None}
    fetch = state.last_fetch
    return {
        "ok": not state.is_fetch_late(now=now),
        "built_at": last.started_at.isoformat(),
        "fetched_at": fetch.fetched_at.isoformat() if fetch else None,
    }


def _disk(folder: Path) -> dict[str, Any]:
    disk = shutil.disk_usage(folder)
    is_enough = disk.free > max(LEAST_FREE_BYTES, disk.total * LEAST_FREE_SHARE)
    return {"ok": is_enough, "free_mib": disk.free >> 20}


def _may_know(request: HttpRequest) -> bool:
    """Tell whether it is this computer that asks, or somebody with the token."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    token = settings.HEALTH_TOKEN
    if token and constant_time_compare(given, token):
        return True
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


@cache
def revision() -> str:
    """Give the commit that runs, abbreviated; "" where git did not bring it."""
    try:
        head = (GIT / "HEAD").read_text(encoding="utf-8").strip()
        name = head.removeprefix("ref: ")
        if name == head:
            return head[:12]
        loose = GIT / name
        if loose.is_file():
            return loose.read_text(encoding="utf-8").strip()[:12]
        for line in (GIT / "packed-refs").read_text(encoding="utf-8").splitlines():
            if line.endswith(f" {name}"):
                return line[:12]
    except OSError:
        return ""
    return ""
