"""Buyers' personal data: deleted some days after the end, masked in lists."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from orders.kaspi.fields import PHONE_DIGITS
from orders.models import Buyer

COUNTRY = "+7"
HIDDEN = "***"


def delete_buyer_data(*, now: datetime) -> int:
    """Delete the data of buyers whose orders ended long enough ago."""
    ended_before = now - timedelta(days=settings.BUYER_DATA_KEPT_DAYS)
    old = Buyer.objects.filter(order__ended_at__lt=ended_before)
    deleted, _by_model = old.delete()
    return deleted


def masked_phone(phone: str) -> str:
    """Show the last four digits only: "+7 *** *** 45 67"."""
    if not phone:
        return ""
    last = phone[-4:] if len(phone) >= PHONE_DIGITS else ""
    shown = f" {last[:2]} {last[2:]}" if last else ""
    return f"{COUNTRY} {HIDDEN} {HIDDEN}{shown}"


def masked_name(name: str) -> str:
    """Show the initial only."""
    return f"{name[0]}." if name else ""


def whole_phone(phone: str) -> str:
    """Write a phone out for those who may call the buyer: "+7 700 123 45 67"."""
    if len(phone) != PHONE_DIGITS:
        return phone
    parts = (phone[:3], phone[3:6], phone[6:8], phone[8:])
    return " ".join((COUNTRY, *parts))
