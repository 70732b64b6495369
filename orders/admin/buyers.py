"""Shows buyers to those who may know them, masked to the others."""

from __future__ import annotations

from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest
from django.utils.translation import gettext as _

from backoffice.formatting import NOTHING, absolute
from orders.kaspi.fields import PHONE_DIGITS
from orders.models import Buyer, Order
from plumbing.clocks import now_to_show

COUNTRY = "+7"
HIDDEN = "***"


def buyer_rows(request: HttpRequest, order: Order) -> list[tuple[str, str]]:
    """Name and say what is known of the buyer; none when it was deleted."""
    try:
        buyer: Buyer = order.buyer
    except ObjectDoesNotExist:
        if order.buyer_erased_at is None:
            return []
        moment = absolute(order.buyer_erased_at, now=now_to_show())
        return [(_("buyer"), _("erased on request, %(moment)s") % {"moment": moment})]
    if request.user.has_perm("orders.view_buyer_data"):
        rows = [
            (_("buyer"), buyer.name),
            (_("phone"), whole_phone(buyer.phone)),
            (_("address"), buyer.address),
        ]
    else:
        rows = [
            (_("buyer"), masked_name(buyer.name)),
            (_("phone"), masked_phone(buyer.phone)),
        ]
    return [(label, value or NOTHING) for label, value in rows]


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
