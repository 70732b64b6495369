"""Forgets who changed what, once it is old; of each row the last state stays."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from backoffice.histories import forget_old
from catalog.models import Category, CommissionRate, PriceRule, Product


def delete_old_history(*, now: datetime) -> int:
    """Delete states older than the set time and say how many."""
    before = now - timedelta(days=settings.HISTORY_KEPT_DAYS)
    models = (Category, CommissionRate, PriceRule, Product)
    return sum(forget_old(model, before=before) for model in models)
