"""What a page says while the database is away, half way or full: when it is over."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError, ProgrammingError, connection
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error

from bridge_site.disks import is_any_full
from plumbing.failover import is_read_only
from plumbing.full_disk import is_full_database, is_full_disk
from plumbing.hosts import Fit, read_fit_if_possible

RETRY_AFTER_S = 15


def fault(request: HttpRequest) -> HttpResponse:
    """Answer a request that failed; what passes by itself is no fault of ours."""
    error = sys.exc_info()[1]
    if is_read_only(error):
        # Perhaps another server has taken over: the next request finds it.
        connection.close()
        return _say(is_read_only=True)
    if isinstance(error, ProgrammingError) and _is_between_releases():
        return _say(is_updating=True)
    if is_full_disk(error):
        # A table that was to be made, or one that was sent to us.
        return _say(is_full=True)
    if not isinstance(error, OperationalError | InterfaceError):
        return server_error(request)
    return _say(is_full=is_full_database(error) or is_any_full())


def _say(**what: bool) -> HttpResponse:
    # Without the request: what every page shows would ask the database again.
    page = render_to_string("503.html", what)
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER_S)})


def _is_between_releases() -> bool:
    """Tell whether code and database are not of one release, so that a column lacks."""
    return read_fit_if_possible() in (Fit.OLDER, Fit.NEWER)
