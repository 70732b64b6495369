"""The site's own pages: the overview with its parts and its fold, and the search."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.contrib import admin
from django.core import signing
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from backoffice.searching import LONGEST
from bridge_site.dashboard import read_health, read_overview
from bridge_site.first_day.pages import first_day_for
from bridge_site.search import Found, search

# Sent by our own scripts, which put the answer into a page that is open.
PART = "X-Part"
# What was sought, for the page of what was found.
SOUGHT_COOKIE = "sought"
SOUGHT_FOR_S = 3600


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


def search_everywhere(request: HttpRequest) -> HttpResponse:
    """Look for what was typed: straight to the only hit, else to a page of all.

    What is typed may be a buyer's phone. Addresses stand in logs and histories, so it
    comes by POST, and the page of what was found has an address of its own that says
    nothing; the text waits there in a cookie of that address alone.
    """
    if request.method != "POST":
        return _show_found(request, None)
    typed = request.POST.get("q", "")[:LONGEST]
    found = search(request, typed)
    if found.only_page:
        return redirect(found.only_page)
    url = reverse("search_found", args=[secrets.token_urlsafe(6)])
    answer = redirect(url)
    answer.set_cookie(
        SOUGHT_COOKIE,
        signing.dumps(typed, salt=url),
        max_age=SOUGHT_FOR_S,
        path=url,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return answer


def search_found(request: HttpRequest, token: str) -> HttpResponse:
    """Show what is found now for what was typed then, also on the way back to it."""
    try:
        typed = signing.loads(
            request.COOKIES.get(SOUGHT_COOKIE, ""),
            salt=reverse("search_found", args=[token]),
            max_age=SOUGHT_FOR_S,
        )
    except signing.BadSignature:
        return redirect("search")
    return _show_found(request, search(request, typed), typed=typed)


def _show_found(
    request: HttpRequest, found: Found | None, *, typed: str = ""
) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": _("Search everywhere"),
        "found": found,
        "typed": typed,
    }
    return render(request, "bridge/search.html", context)
