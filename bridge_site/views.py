"""The site's own page: the overview."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from bridge_site.dashboard import read_overview


def overview(request: HttpRequest) -> HttpResponse:
    """Show the admin's index with what the apps tell of themselves above it."""
    return admin.site.index(request, {"overview": read_overview(request)})
