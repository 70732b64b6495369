"""What a page says while the database is away or the disk is full: when it is over."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error

from bridge_site.disks import is_any_full

RETRY_AFTER_S = 15
# In the words of SQLite and of PostgreSQL.
FULL = ("disk is full", "No space left", "disk full")


def fault(request: HttpRequest) -> HttpResponse:
    """Answer a request that failed; what passes by itself is no fault of ours."""
    error = sys.exc_info()[1]
    if not isinstance(error, OperationalError | InterfaceError):
        return server_error(request)
    is_full = any(words in str(error) for words in FULL) or is_any_full()
    # Without the request: what every page shows would ask the database again.
    page = render_to_string("503.html", {"is_full": is_full})
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER_S)})
