"""The alerts' tasks."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from alerts.models import Alert, Notice
from plumbing.batches import delete_in_batches
from plumbing.clocks import when_time_is_sure
from plumbing.leases import database_now


@when_time_is_sure
def delete_old_alerts() -> str:
    """Delete alerts that are over, and messages, once they are old enough."""
    days = settings.EVENTS_KEPT_DAYS
    if not days:
        return "kept for ever"
    oldest = database_now() - timedelta(days=days)
    notices = delete_in_batches(Notice.objects.filter(created_at__lt=oldest))
    alerts = delete_in_batches(Alert.objects.filter(closed_at__lt=oldest))
    return f"{alerts} alerts and {notices} messages deleted"
