"""Buyers' personal data are deleted some days after the end of their orders."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from orders.models import Buyer


def delete_buyer_data(*, now: datetime) -> int:
    ended_before = now - timedelta(days=settings.BUYER_DATA_KEPT_DAYS)
    old = Buyer.objects.filter(order__ended_at__lt=ended_before)
    deleted, _by_model = old.delete()
    return deleted
