"""What every page shows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def bridge(request: HttpRequest) -> dict[str, Any]:
    """Tell the templates whether writes to the peers are withheld."""
    return {"observe_only": settings.OBSERVE_ONLY}
