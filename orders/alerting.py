"""What alerts tell of the orders: each order, purchase and finding by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _

from backoffice.asking import ask
from backoffice.dashboard import Need
from backoffice.formatting import Tone, absolute
from orders.admin.moments import time_at_kaspi
from orders.admin.situation import shortened, stuck_reason
from orders.forgetting import without_buyer
from orders.models import Buyer, Finding, Order, Purchase, Reason, Step
from orders.needs import (
    ACCEPT_SOON,
    DUE_SOON,
    FINDING,
    LOSS,
    PURCHASE,
    STUCK,
    ask_orders,
    count_short,
    needs_of_attorney,
    needs_of_purchases,
    needs_of_readings,
    needs_of_share,
    needs_of_silence,
    order_url,
)

DEADLINE_TOLD = timedelta(hours=1)
EARNS_TOO_LITTLE = (Reason.LOSES_MONEY, Reason.EARNS_LITTLE, Reason.PRICE_ROSE)
# Of each sort; beyond it nobody would read them one by one.
MOST_TOLD = 200


def read_needs(*, now: datetime, is_selling: bool) -> list[Need]:
    """Read what alerts tell of the orders.

    `is_selling`: the price list has goods on sale, so orders should come.
    """
    answers = ask(ask_orders())
    return [
        *needs_of_readings(answers, now=now),
        *(needs_of_silence(answers, now=now) if is_selling else ()),
        *_needs_of_steps(),
        *_needs_of_deadlines(now=time_at_kaspi(answers, now=now)),
        *_needs_of_doubts(),
        *_needs_of_each_finding(),
        *needs_of_purchases(answers, now=now),
        *needs_of_attorney(answers, now=now),
        *needs_of_share(*count_short(now=now)),
    ]


def _needs_of_steps() -> Iterator[Need]:
    stuck = Step.objects.stuck().select_related("order", "order__buyer")
    for step in stuck.defer("sent", "parameters").order_by("pk")[:MOST_TOLD]:
        buyer: Buyer | None = getattr(step.order, "buyer", None)
        reason = str(step.stuck_for.label)
        if step.stuck_for == Reason.OTHER:
            reason = shortened(without_buyer(stuck_reason(step), buyer))
        text = _("Order %(code)s. %(reason)s")
        figures = {"code": step.order.code, "reason": reason}
        yield Need(
            tone=Tone.BAD,
            text=text % figures,
            url=order_url(step.order_id),
            kind=LOSS if step.stuck_for in EARNS_TOO_LITTLE else STUCK,
            subject=f"{step.order.code} {step.kind}",
        )


def _needs_of_deadlines(*, now: datetime) -> Iterator[Need]:
    # As a condition object: the type checker knows no annotated names.
    soon = Q(("due__lt", now + DEADLINE_TOLD))
    orders = Order.objects.open().with_due().filter(soon).order_by("pk")
    for order in orders.defer("problem", "note")[:MOST_TOLD]:
        due = order.due_at
        if due is None:
            continue
        is_accept = order.awaits_accept
        if is_accept:
            text = _("Order %(code)s must be accepted by %(moment)s")
        else:
            text = _("Order %(code)s is due by %(moment)s")
        is_near = due < now + timedelta(minutes=settings.DEADLINE_NEAR_MIN)
        yield Need(
            tone=Tone.BAD if is_near else Tone.WARN,
            text=text % {"code": order.code, "moment": absolute(due, now=now)},
            url=order_url(order.pk),
            kind=ACCEPT_SOON if is_accept else DUE_SOON,
            subject=order.code,
            is_urgent=is_accept,
        )


def _needs_of_doubts() -> Iterator[Need]:
    doubtful = Purchase.objects.filter(status=Purchase.Status.NEEDS_PERSON)
    for pk in doubtful.order_by("pk").values_list("pk", flat=True)[:MOST_TOLD]:
        text = _("Purchase №%(pk)d needs you: what came of it is in doubt")
        yield Need(
            tone=Tone.BAD,
            text=text % {"pk": pk},
            url=reverse("admin:orders_purchase_change", args=[pk]),
            kind=PURCHASE,
            subject=f"{pk} doubt",
        )


def _needs_of_each_finding() -> Iterator[Need]:
    found = Finding.objects.open().select_related("order").order_by("pk")
    for finding in found.defer("text", "facts", "note")[:MOST_TOLD]:
        text = _("Contradiction №%(pk)d: %(what)s")
        figures = {"pk": finding.pk, "what": finding.get_kind_display()}
        if finding.order is not None:
            text = _("Contradiction №%(pk)d, order %(code)s: %(what)s")
            figures["code"] = finding.order.code
        yield Need(
            tone=Tone.BAD,
            text=text % figures,
            url=reverse("admin:orders_finding_change", args=[finding.pk]),
            kind=FINDING,
            subject=str(finding.pk),
        )
