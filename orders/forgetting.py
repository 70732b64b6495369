"""Takes buyers out of whatever is kept of their orders; goods and sums stay."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model, QuerySet

from orders.models import Buyer, Finding, Order, OrderEvent, Step, Waybill
from plumbing.redaction import MASK, without_phones

# A shorter word of a name, an initial, stands in ordinary words as well.
NAME_LENGTH = 3
ENDINGS = "аеиоуыьэюяй"
PHONE_DIGITS = 10


def without_buyer(text: str, buyer: Buyer | None, *, also: Iterable[str] = ()) -> str:
    """Take out of a text whatever names the buyer, and the texts in `also`."""
    known = [re.escape(words) for words in also if words]
    if buyer is not None:
        whole = filter(None, (buyer.address, buyer.name, buyer.phone))
        known += [re.escape(words) for words in whole]
        known += [_any_case_of(w) for w in buyer.name.split() if len(w) >= NAME_LENGTH]
    for pattern in sorted(known, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){pattern}(?!\w)", MASK, text, flags=re.IGNORECASE)
    digits = re.sub(r"\D", "", buyer.phone)[-PHONE_DIGITS:] if buyer else ""
    if len(digits) == PHONE_DIGITS:
        # However it is written: +7 (701) 234-56-78.
        text = re.sub(r"[\s()+-]*".join(digits), MASK, text)
    return text


def _any_case_of(name: str) -> str:
    """Make a pattern of a name's grammatical cases: Примерова, Примеровой."""
    stem = name[:-1] if name[-1].lower() in ENDINGS else name
    return rf"{re.escape(stem)}\w{{0,3}}"


@transaction.atomic
def forget_buyers(
    orders: Collection[int], *, now: datetime, on_request: bool = False
) -> int:
    """Delete buyers and waybills, and take the buyers out of the orders' texts.

    `on_request`: what staff wrote of the buyer goes whole, and no later reading brings
    anything back. Returns how many buyers were known.
    """
    locked = Order.objects.select_for_update().filter(pk__in=orders).order_by("pk")
    rows = {order.pk: order for order in locked}
    buyers = Buyer.objects.in_bulk(list(rows))
    cleaners = {
        pk: _Cleaner(buyers.get(pk), order, on_request=on_request)
        for pk, order in rows.items()
    }
    # The steps first: what was written there may be quoted elsewhere.
    _clean_steps(cleaners)
    _clean(Finding.objects.filter(order__in=rows), cleaners, free="note", told="text")
    _clean(OrderEvent.objects.filter(order__in=rows), cleaners, told="text")
    _clean_log(cleaners)
    for pk, order in rows.items():
        order.note = cleaners[pk].free(order.note)
        order.problem = cleaners[pk].told(order.problem)
        if on_request:
            order.note, order.buyer_erased_at = "", now
        order.save(update_fields=["note", "problem", "buyer_erased_at"])
    Waybill.objects.filter(order__in=rows).delete()
    Buyer.objects.filter(order__in=rows).delete()
    return len(buyers)


class _Cleaner:
    """Takes one buyer out of texts: `told` by a peer or by us, or `free` words."""

    def __init__(self, buyer: Buyer | None, order: Order, *, on_request: bool) -> None:
        self.buyer, self.on_request = buyer, on_request
        # What staff wrote of the buyer; on request nothing may repeat it.
        self.written = [order.note] if on_request else []

    def told(self, text: str) -> str:
        return without_buyer(text, self.buyer, also=self.written)

    def free(self, text: str) -> str:
        return without_phones(self.told(text))


def _clean_steps(cleaners: dict[int, _Cleaner]) -> None:
    changed = []
    for step in Step.objects.filter(order__in=cleaners):
        cleaner = cleaners[step.order_id]
        before = (dict(step.parameters), step.last_error)
        comment = step.parameters.get("comment", "")
        if step.status not in Step.OPEN:
            step.parameters.pop("code", None)
        if comment and cleaner.on_request:
            cleaner.written.append(comment)
            del step.parameters["comment"]
        elif comment:
            step.parameters["comment"] = cleaner.free(comment)
        step.last_error = cleaner.told(step.last_error)
        if before != (step.parameters, step.last_error):
            changed.append(step)
    Step.objects.bulk_update(changed, ["parameters", "last_error"])


def _clean(
    rows: QuerySet[Any], cleaners: dict[int, _Cleaner], *, told: str, free: str = ""
) -> None:
    """Clean texts of rows that belong to an order each; only what differs is saved."""
    changed = []
    for row in rows:
        cleaner = cleaners[row.order_id]
        ways = {told: cleaner.told} | ({free: cleaner.free} if free else {})
        new = {name: clean(getattr(row, name)) for name, clean in ways.items()}
        if any(getattr(row, name) != text for name, text in new.items()):
            for name, text in new.items():
                setattr(row, name, text)
            changed.append(row)
    rows.model._default_manager.bulk_update(changed, list(filter(None, (told, free))))


def _clean_log(cleaners: dict[int, _Cleaner]) -> None:
    """Clean the admin's log, which repeats what was answered to a button."""
    about: type[Model] = Order
    logged = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(about),
        object_id__in=[str(pk) for pk in cleaners],
    ).exclude(change_message="")
    changed = []
    for entry in logged:
        said = cleaners[int(entry.object_id or 0)].free(entry.change_message)
        if said != entry.change_message:
            entry.change_message = said
            changed.append(entry)
    LogEntry.objects.bulk_update(changed, ["change_message"])
