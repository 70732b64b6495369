"""What DEBUG=1 shows of a fault: for whoever develops, without secrets and buyers."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from plumbing.logs import scrubbed


class FaultFilter(SafeExceptionReporterFilter):
    """Hides what was typed as a password; Django's own does not while DEBUG is on."""

    def is_active(self, request: HttpRequest | None) -> bool:
        return True


class FaultReporter(ExceptionReporter):
    """Takes out of the page what variables, settings and messages hold of secrets."""

    def get_traceback_data(self) -> dict[str, Any]:
        data: dict[str, Any] = scrubbed(super().get_traceback_data())
        return data
