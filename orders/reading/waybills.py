"""Keeps waybills: their links die once the parcel has left."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from orders.kaspi.client import KaspiClient
from orders.kaspi.schema import KaspiOrder
from orders.models import Order, Waybill
from orders.models.order import OrderQuerySet
from orders.plan.events import record
from orders.reading.failures import tell_failure

if TYPE_CHECKING:
    from pypdf import PdfWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Many waybills as one file; `missing`: codes of orders that have none.

    `waybills`: the pk of each that is in the file.
    """

    pdf: bytes
    missing: tuple[str, ...]
    waybills: tuple[int, ...] = ()


def fetch_waybills(
    client: KaspiClient, seen: Iterable[KaspiOrder], *, at_most: int, now: datetime
) -> int:
    """Fetch the waybills that are not kept yet; returns how many.

    One that fails is tried again by the next reading, which brings a new link.
    """
    linked = {
        order.code: order
        for order in seen
        if order.waybill_url and order.handed_over_at is None
    }
    if not linked or at_most <= 0:
        return 0
    # What was deleted for good must not come back by a later reading.
    over = set(_not_wanted().filter(code__in=linked).values_list("code", flat=True))
    linked = {code: order for code, order in linked.items() if code not in over}
    kept = set(
        Waybill.objects.filter(order__code__in=linked).values_list(
            "order__code", "number"
        )
    )
    wanted = [o for o in linked.values() if (o.code, o.waybill_number) not in kept]
    return sum(_fetch(client, order, now=now) for order in wanted[:at_most])


def merged_waybills(orders: Sequence[Order]) -> Merged:
    """Put the newest waybill of each order into one PDF, in this order."""
    newest: dict[int, Waybill] = {}
    ids = [order.pk for order in orders]
    for kept in Waybill.objects.filter(order__in=ids).order_by("pk"):
        newest[kept.order_id] = kept
    # Here, not above: every process of the bridge would hold its 12 MB, and only the
    # one that merges needs them.
    from pypdf import PdfWriter

    writer, missing = PdfWriter(), []
    merged = []
    for order in orders:
        waybill = newest.get(order.pk)
        if waybill is None or not _append(writer, bytes(waybill.pdf)):
            missing.append(order.code)
        else:
            merged.append(waybill.pk)
    if not writer.pages:
        return Merged(pdf=b"", missing=tuple(missing))
    file = io.BytesIO()
    writer.write(file)
    return Merged(pdf=file.getvalue(), missing=tuple(missing), waybills=tuple(merged))


def _not_wanted() -> OrderQuerySet:
    """Find orders that no waybill is kept for any more: ended, or erased."""
    over = Q(ended_at__isnull=False) | Q(buyer_erased_at__isnull=False)
    return Order.objects.filter(over)


def _fetch(client: KaspiClient, seen: KaspiOrder, *, now: datetime) -> bool:
    try:
        return _keep(client.waybill_pdf(seen.waybill_url), seen, now=now)
    except Exception as error:
        # Nothing that Kaspi calls a link may hold up the other orders.
        tell_failure(error, about=f"{seen.code}, waybill")
        return False


def _keep(pdf: bytes, seen: KaspiOrder, *, now: datetime) -> bool:
    with transaction.atomic():
        # Locked: whoever forgets the buyer meanwhile deletes the waybills.
        orders = Order.objects.select_for_update().filter(code=seen.code)
        order = orders.exclude(pk__in=_not_wanted().values("pk")).first()
        if order is None:
            return False
        waybill, is_new = Waybill.objects.get_or_create(
            order=order,
            number=seen.waybill_number,
            defaults={"pdf": pdf, "fetched_at": now},
        )
        if is_new:
            text = _("Waybill %(number)s fetched") % {"number": waybill.number or "—"}
            record(order, text, now=now)
    return is_new


def _append(writer: PdfWriter, pdf: bytes) -> bool:
    """Append a file's pages; one that cannot be read is left out."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        writer.append(PdfReader(io.BytesIO(pdf)))
    except (PyPdfError, ValueError, KeyError, TypeError, RecursionError):
        return False
    return True
