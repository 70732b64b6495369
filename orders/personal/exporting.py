"""Puts all that is held of a buyer into one file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from orders.kaspi.words import said
from orders.models import BuyerRequest, Order
from orders.personal.requests import leave_trail, whole
from plumbing.redaction import redact

Held = dict[str, Any]


def export(orders: Iterable[int], *, actor: str, now: datetime) -> bytes:
    """Make a ZIP: a text for people, the same as JSON, and the waybills' PDFs."""
    file = io.BytesIO()
    with transaction.atomic():
        rows = list(whole(Order.objects.filter(pk__in=set(orders))))
        held = [_held_of(order) for order in rows]
        leave_trail(BuyerRequest.Kind.EXPORT, rows, actor=actor, now=now)
    about = {"company": settings.KASPI_COMPANY, "made_at": now, "orders": held}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("buyer.txt", "\n".join(_told(about)) + "\n")
        archive.writestr(
            "buyer.json",
            json.dumps(about, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1),
        )
        for order in rows:
            for place, waybill in enumerate(order.waybills.all(), start=1):
                archive.writestr(
                    f"waybill-{order.code}-{place}.pdf", bytes(waybill.pdf)
                )
    return file.getvalue()


def _held_of(order: Order) -> Held:
    """Give what is held of the buyer for one order; of our own purchases nothing."""
    return {
        "order": order.code,
        "created_at": order.created_at,
        "ended_at": order.ended_at,
        "status": said(order.status),
        "payment": said(order.payment_mode),
        "delivery": said(order.delivery_mode),
        "total_kzt": order.total_kzt,
        "delivery_fee_kzt": order.delivery_fee_kzt,
        "buyer": _buyer_of(order),
        "erased_at": order.buyer_erased_at,
        "goods": [
            {
                "sku": line.sku,
                "name": line.name,
                "quantity": line.quantity,
                "price_kzt": line.price_kzt,
            }
            for line in order.lines.all()
        ],
        "waybills": [waybill.number for waybill in order.waybills.all()],
        "our_note": redact(order.note),
        "told_to_kaspi": [
            redact(comment)
            for step in order.steps.all()
            if (comment := step.parameters.get("comment"))
        ],
    }


def _buyer_of(order: Order) -> Held:
    try:
        buyer = order.buyer
    except ObjectDoesNotExist:
        return {}
    return {"name": buyer.name, "phone": buyer.phone, "address": buyer.address}


def _told(about: Held) -> Iterator[str]:
    """Say the same in lines for people."""
    titles = {
        "company": _("company"),
        "made_at": _("made"),
        "order": _("order"),
        "created_at": _("created"),
        "ended_at": _("ended"),
        "status": _("status"),
        "payment": _("payment"),
        "delivery": _("delivery"),
        "total_kzt": _("total, ₸"),
        "delivery_fee_kzt": _("delivery fee, ₸"),
        "buyer": _("buyer"),
        "name": _("name"),
        "phone": _("phone"),
        "address": _("address"),
        "erased_at": _("buyer's data erased"),
        "goods": _("goods"),
        "sku": "SKU",
        "quantity": _("quantity"),
        "price_kzt": _("price, ₸"),
        "waybills": _("waybills"),
        "our_note": _("our note"),
        "told_to_kaspi": _("told to Kaspi"),
    }
    for name, value in about.items():
        if name == "orders":
            for held in value:
                yield ""
                yield from _told(held)
        elif isinstance(value, dict):
            for inner, what in value.items():
                yield f"{titles[name]}, {titles[inner]}: {_shown(what)}"
        elif name == "goods":
            for good in value:
                words = (f"{titles[key]}: {_shown(what)}" for key, what in good.items())
                yield f"{titles[name]}: {'; '.join(words)}"
        else:
            yield f"{titles[name]}: {_shown(value)}"


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return date_format(timezone.localtime(value), "SHORT_DATETIME_FORMAT")
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "—"
    return "—" if value in (None, "") else str(value)
