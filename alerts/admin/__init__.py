"""Staff's pages of the alerts."""

from __future__ import annotations

from alerts.admin import alerts, channels, notices

__all__ = ["alerts", "channels", "notices"]
