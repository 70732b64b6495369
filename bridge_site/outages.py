"""What a page says while the database is away, half way or full: when it is over."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError, ProgrammingError, connection
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error

from bridge_site.disks import is_any_full
from plumbing.failover import is_read_only
from plumbing.hosts import Fit, read_fit_if_possible

RETRY_AFTER_S = 15
# In the words of SQLite and of PostgreSQL.
FULL = ("disk is full", "No space left", "disk full")


def fault(request: HttpRequest) -> HttpResponse:
    """Answer a request that failed; what passes by itself is no fault of ours."""
    error = sys.exc_info()[1]
    if is_read_only(error):
        # Perhaps another server has taken over: the next request finds it.
        connection.close()
        return _say(is_read_only=True)
    if isinstance(error, ProgrammingError) and _is_between_releases():
        return _say(is_updating=True)
    if not isinstance(error, OperationalError | InterfaceError):
        return server_error(request)
    is_full = any(words in str(error) for words in FULL) or is_any_full()
    return _say(is_full=is_full)


def _say(**what: bool) -> HttpResponse:
    # Without the request: what every page shows would ask the database again.
    page = render_to_string("503.html", what)
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER_S)})


def _is_between_releases() -> bool:
    """Tell whether code and database are not of one release, so that a column lacks."""
    return read_fit_if_possible() in (Fit.OLDER, Fit.NEWER)
