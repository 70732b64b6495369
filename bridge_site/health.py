"""Whether the bridge works, for watchers from outside: no secret and no buyer."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Max
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bridge_site.disks import read_disks
from bridge_site.jobs import read_jobs
from bridge_site.metrics.page import metrics
from bridge_site.revision import revision
from feeds.needs import read_state
from orders.models import ReadMark, Step
from plumbing.leases import database_now
from plumbing.models import CallCount, Heartbeat
from plumbing.queue import count_waiting

Parts = dict[str, dict[str, Any]]

# A job that is due waits its turn behind a crawl.
JOB_LATE_S = 30 * 60
# A call that failed alone is nobody's trouble.
PEER_AWAY = timedelta(minutes=15)
FAILING = ("lost", "failed", "unknown", "access", "unreadable")


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


class HealthMiddleware:
    """Answers watchers before anything that may fail, whatever host they name."""

    PAGES = {"/healthz": healthz, "/metrics": metrics}

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        page = self.PAGES.get(request.path_info)
        return page(request) if page else self._get_response(request)


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Tell whether everything works; the parts in detail to those who may know."""
    try:
        parts = read_parts(now=database_now())
    except DatabaseError:
        parts = {"database": {"ok": False}}
    is_ready = all(part["ok"] for part in parts.values())
    told: dict[str, Any] = {"ready": is_ready, "revision": revision()}
    if _may_know(request):
        told["parts"] = parts
    return JsonResponse(told, status=200 if is_ready else 503)


def read_parts(*, now: datetime) -> Parts:
    """Read how each part does: {"ok": …, and seconds, counts or moments}."""
    parts: Parts = {"database": {"ok": True}}
    for beat in Heartbeat.objects.order_by("name"):
        age_s = round((now - beat.beaten_at).total_seconds())
        parts[f"beat {beat.name}"] = {"ok": not beat.is_late(now=now), "age_s": age_s}
    for mark in ReadMark.objects.order_by("state"):
        parts[f"orders {mark.state}"] = {
            "ok": not mark.is_late(now=now),
            "read_until": mark.read_until.isoformat(),
        }
    parts |= _jobs(now=now) | _peers(now=now) | _disks()
    parts["price list"] = _price_list(now=now)
    waiting = count_waiting()
    parts["queue"] = {"ok": waiting is not None, "tasks": sum((waiting or {}).values())}
    parts["steps"] = {"ok": True, "need_a_person": Step.objects.stuck().count()}
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
        "age_s": round((now - last.started_at).total_seconds()),
        "fetched_at": fetch.fetched_at.isoformat() if fetch else None,
    }


def _jobs(*, now: datetime) -> Parts:
    return {
        f"job {job.name}": {
            "ok": job.late_s(now=now) <= JOB_LATE_S,
            "late_s": job.late_s(now=now),
            "succeeded_at": job.succeeded_at.isoformat() if job.succeeded_at else None,
            "age_s": job.age_s(now=now),
        }
        for job in read_jobs()
    }


def _peers(*, now: datetime) -> Parts:
    """Tell of each peer when it last answered as it should, and when it last did not.

    It is away once it has failed since, and for a while.
    """
    counts = CallCount.objects.order_by().values_list("peer")
    answered = dict(counts.filter(outcome="ok").annotate(Max("last_at")))
    failed = dict(counts.filter(outcome__in=FAILING).annotate(Max("last_at")))
    parts: Parts = {}
    for peer in Step.Peer.values:
        good, bad = answered.get(peer), failed.get(peer)
        is_away = bad is not None and (
            good is None or (bad > good and now - good > PEER_AWAY)
        )
        parts[f"peer {peer}"] = {
            "ok": not is_away,
            "answered_at": good.isoformat() if good else None,
            "failed_at": bad.isoformat() if bad else None,
        }
    return parts


def _disks() -> Parts:
    return {
        f"disk {disk.name}": {"ok": not disk.is_low, "free_mb": disk.free_mb}
        for disk in read_disks()
    }


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
