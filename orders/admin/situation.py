"""Says in plain words where an order, a step and the goods stand."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from backoffice.formatting import NOTHING, Tone, absolute, pill, two_lines
from orders.kaspi.words import said
from orders.models import (
    Order,
    Purchase,
    Reason,
    Reservation,
    Step,
    SupplierOrder,
)
from plumbing.redaction import redact

RED_BELOW = timedelta(minutes=30)
AMBER_BELOW = timedelta(minutes=60)
REASON_SHOWN = 140
SUM = re.compile(r"[−-]?\d[\d\s]*₸")

RESERVATION_TONES = {
    Reservation.Status.WANTED: Tone.WARN,
    Reservation.Status.HELD: Tone.GOOD,
    Reservation.Status.BY_HAND: Tone.GOOD,
    Reservation.Status.RELEASING: Tone.INFO,
    Reservation.Status.SHIPPED: Tone.QUIET,
    Reservation.Status.RELEASED: Tone.QUIET,
    Reservation.Status.DROPPED: Tone.QUIET,
}
PURCHASE_TONES = {
    Purchase.Status.OPENED: Tone.INFO,
    Purchase.Status.FILLING: Tone.INFO,
    Purchase.Status.SUBMITTING: Tone.WARN,
    Purchase.Status.SOUGHT: Tone.WARN,
    Purchase.Status.NEEDS_PERSON: Tone.BAD,
    Purchase.Status.MADE: Tone.GOOD,
    Purchase.Status.GIVEN_UP: Tone.QUIET,
}
STEP_TONES = {
    Step.Status.PENDING: Tone.INFO,
    Step.Status.IN_FLIGHT: Tone.INFO,
    Step.Status.DONE: Tone.GOOD,
    Step.Status.REFUSED: Tone.BAD,
    Step.Status.UNKNOWN: Tone.WARN,
    Step.Status.NEEDS_PERSON: Tone.BAD,
    Step.Status.SKIPPED: Tone.QUIET,
}


SUPPLIER_TONES = {
    "": Tone.INFO,
    "N": Tone.INFO,
    "R": Tone.GOOD,
    "SV": Tone.GOOD,
    "OS": Tone.INFO,
    "OK": Tone.INFO,
    "P": Tone.QUIET,
    "F": Tone.QUIET,
    SupplierOrder.MERGED: Tone.QUIET,
    SupplierOrder.CANCELLED: Tone.QUIET,
}


def situation(order: Order) -> tuple[str, Tone]:
    """Say what the order waits for or how it ended."""
    if order.is_closed:
        return _("closed: Kaspi no longer shows it"), Tone.QUIET
    if order.is_gone and order.ended_at is None:
        return _("Kaspi no longer shows it"), Tone.BAD
    if order.status == Order.CANCELLING and order.is_back_at_warehouse:
        return _("cancelled: fetch the goods"), Tone.WARN
    by_status = {
        Order.COMPLETED: (_("received by the buyer"), Tone.GOOD),
        Order.CANCELLED: (_("cancelled"), Tone.QUIET),
        Order.RETURNED: (_("returned to us"), Tone.QUIET),
        Order.CANCELLING: (_("cancelled in transit"), Tone.WARN),
        Order.RETURN_REQUESTED: (_("on its way back"), Tone.WARN),
        Order.RETURN_ACCEPTED: (_("return accepted"), Tone.INFO),
    }
    if order.status in by_status:
        return by_status[order.status]
    if order.state == Order.SIGN_REQUIRED:
        return _("buyer signs the credit"), Tone.INFO
    if order.awaits_accept:
        return _("new: accept"), Tone.INFO
    if order.status == Order.ACCEPTED:
        return _situation_of_accepted(order)
    return raw_words(order), Tone.WARN


def _situation_of_accepted(order: Order) -> tuple[str, Tone]:
    if order.handed_over_at:
        return _("on its way to the buyer"), Tone.QUIET
    if order.is_fetched_by_kaspi and order.is_assembled:
        return _("assembled: hand over"), Tone.INFO
    words = {
        Order.KASPI_DELIVERY: _("accepted: assemble"),
        Order.PICKUP: _("buyer collects it"),
        Order.DELIVERY: _("we deliver it"),
    }
    return words.get(order.state, _("accepted")), Tone.INFO


def situation_pill(order: Order) -> SafeString:
    """Show the situation; on hovering, where the order stands in Kaspi's cabinet."""
    text, tone = situation(order)
    return pill(text, tone, hint=raw_words(order))


def raw_words(order: Order) -> str:
    """Tell where it stands in Kaspi's cabinet; unknown words as they are."""
    words = [order.state, order.status, order.cancellation_reason]
    return " · ".join(said(word) for word in words if word)


def left_text(left: timedelta) -> str:
    """Say a length of time in the two units that matter."""
    minutes = int(left.total_seconds()) // 60
    if minutes < 60:
        return _("%(m)d min") % {"m": minutes}
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return _("%(h)d h %(m)02d min") % {"h": hours, "m": minutes}
    days, hours = divmod(hours, 24)
    return _("%(d)d d %(h)d h") % {"d": days, "h": hours}


def time_left(due: datetime | None, *, now: datetime) -> SafeString:
    """Show how long is left until a deadline, the moment itself below.

    `now` is that of `deadlines.due_now`, asked for once for a whole page.
    """
    if due is None:
        return format_html('<span class="faint">{}</span>', NOTHING)
    left = due - now
    if left < timedelta(0):
        text, tone = _("overdue %(span)s") % {"span": left_text(-left)}, Tone.BAD
    else:
        tone = Tone.WARN if left < AMBER_BELOW else Tone.QUIET
        text, tone = left_text(left), Tone.BAD if left < RED_BELOW else tone
    until = _("due %(moment)s") % {"moment": absolute(due, now=now)}
    return two_lines(pill(text, tone), until)


def reservation_pill(reservation: Reservation | None) -> SafeString:
    if reservation is None:
        return format_html('<span class="faint">{}</span>', NOTHING)
    status = Reservation.Status(reservation.status)
    return pill(status.label, RESERVATION_TONES[status])


def supplier_pill(supplied: SupplierOrder) -> SafeString:
    """Show the status that Al-Style gives its order."""
    tone = SUPPLIER_TONES.get(supplied.status, Tone.WARN)
    return pill(supplied.status_name, tone)


def step_pill(step: Step) -> SafeString:
    status = Step.Status(step.status)
    return pill(status.label, STEP_TONES[status])


def purchase_pill(purchase: Purchase) -> SafeString:
    if purchase.paused_at is not None:
        return pill(_('waits for "go on"'), Tone.BAD)
    status = Purchase.Status(purchase.status)
    return pill(status.label, PURCHASE_TONES[status])


def fact_value(value: str) -> str:
    """Say a value of what is known of Al-Style; what is no word of ours as it is."""
    words = {
        "yes": _("yes"),
        "no": _("no"),
        "same": _("the same"),
        "other": _("another"),
        "none": _("cannot be read"),
        "newest": _("newest first"),
        "oldest": _("oldest first"),
        "unsorted": _("in no order"),
    }
    return words.get(value, value)


def stuck_reason(step: Step) -> str:
    """Say in a sentence what a stuck step waits for."""
    said = redact(step.last_error).strip() or Step.Status(step.status).label
    if step.stuck_for != Reason.OTHER:
        return f"{step.stuck_for.label}: {said}"
    name = step.get_kind_display()
    # Most reasons name their step already.
    text = said if said.lower().startswith(name.lower()) else f"{name}: {said}"
    return text[:1].upper() + text[1:]


def sees_money(request: HttpRequest) -> bool:
    """Tell whether the reader may know what is bought for how much, and what it brings.

    A packer sees what is in an order.
    """
    return request.user.has_perm("orders.view_purchase")


def without_sums(text: str) -> str:
    """Take the sums out of what was said, for whoever may not know them."""
    return SUM.sub("… ₸", text)


def shortened(text: str) -> str:
    """Cut a long reason for a list."""
    first = text.splitlines()[0] if text else ""
    return first if len(first) <= REASON_SHOWN else first[: REASON_SHOWN - 1] + "…"
