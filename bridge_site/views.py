"""The site's own pages: the overview, its parts that refresh, and its fold."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from bridge_site.dashboard import read_health, read_overview
from bridge_site.first_day.pages import first_day_for

# Sent by our own scripts, which put the answer into a page that is open.
PART = "X-Part"


def overview(request: HttpRequest) -> HttpResponse:
    """Show the overview: whole, or the part that a page which is open refreshes."""
    context = {"overview": read_overview(request)}
    if PART in request.headers:
        return render(request, "bridge/overview_now.html", context)
    return admin.site.index(request, {**context, "first_day": first_day_for(request)})


def overview_count(request: HttpRequest) -> HttpResponse:
    """Tell how many things wait for a person, for the titles of other pages."""
    return JsonResponse({"count": read_overview(request).count})


def overview_health(request: HttpRequest) -> HttpResponse:
    """Show how the machinery runs: the overview's fold, or a page of its own."""
    context = {"health": read_health(request)}
    if PART in request.headers:
        return render(request, "bridge/health.html", context)
    whole = {**admin.site.each_context(request), "title": _("How the bridge runs")}
    return render(request, "bridge/health_page.html", {**whole, **context})
