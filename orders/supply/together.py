"""Buys the goods of several orders in one purchase: three calls then serve many.

Only into a cart that submit is known to empty, never for an order that the buyer has
still to sign, in small batches. The orders beside the first are not claimed: as long
as the purchase has them, their own steps only follow it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from catalog.alstyle.cart import CartClient
from catalog.alstyle.trade import CartRow
from orders.models import LearnedFact, Order, Purchase, Reservation, Step
from orders.models.step import StepQuerySet
from orders.plan.claims import Claim
from orders.plan.events import record
from orders.supply import purchasing
from orders.supply.cart import (
    CartOccupied,
    GoodsRefused,
    checked_line,
    refuse_foreign,
)
from orders.supply.learning import learned
from orders.supply.margin import weigh_order
from orders.supply.supervision import is_supervised
from orders.supply.wanted import cause_not_to_buy, joint_lines, wanted_pieces
from plumbing.leases import database_now

# Orders in one purchase: one that goes wrong makes so many wait for a person.
MOST = 10
# Their codes are sent along; how long a text Al-Style keeps is not known.
LONGEST_REFERENCE = 200
# Calls for one purchase in a queue, and what the stock readings take beside them.
CALLS = 3.5
# A queue that takes more than this share of the time left to a deadline threatens it.
SHARE_OF_TIME = 3
# What is left to those whose deadline has passed: they are late, not lost.
LATE_IS_WORTH = timedelta(hours=1)


class BoughtApart(Exception):
    """The orders of a joint purchase are bought one by one instead."""


def companions_of(step: Step) -> list[Reservation]:
    """Choose the reservations to buy along with the step's, nearest deadline first."""
    now = database_now()
    if "alone" in step.parameters or step.order.is_unsigned or not _is_possible():
        return []
    queue = _queue(now=now).exclude(pk=step.pk)
    always = settings.BUY_TOGETHER == "always"
    if not (always or is_threatened(_deadlines(queue), now=now)):
        return []
    chosen: list[Reservation] = []
    in_doubt = purchasing.articles_in_doubt().keys()
    length = len(step.order.code)
    for waiting in queue.filter(attempts=0, parameters={})[: 3 * MOST]:
        reservation = _to_be_bought(waiting.order)
        length += 1 + len(waiting.order.code)
        if len(chosen) == MOST - 1 or length > LONGEST_REFERENCE:
            break
        # With goods in doubt among them none could be bought.
        if reservation is not None and not in_doubt & wanted_pieces(reservation).keys():
            chosen.append(reservation)
    return chosen


def is_threatened(deadlines: Iterable[datetime | None], *, now: datetime) -> bool:
    """Tell whether orders bought one by one, in this order, may come too late."""
    takes = timedelta(seconds=CALLS * float(settings.ALSTYLE_INTERVAL_S))
    for place, deadline in enumerate(deadlines, start=1):
        if deadline is None:
            continue
        left = deadline - now if deadline > now else LATE_IS_WORTH
        if place * takes > left / SHARE_OF_TIME:
            return True
    return False


def is_joint(purchase: Purchase) -> bool:
    """Tell whether the purchase is for several orders."""
    return purchase.reservations.count() > 1


def leave_out_troubled(
    purchase: Purchase, cart: CartClient, claim: Claim, rows: Sequence[CartRow]
) -> Sequence[CartRow]:
    """Take out the rows of orders that cannot be bought with the others; give the rest.

    Raises `BoughtApart` when none is left, the purchase given up.
    """
    try:
        refuse_foreign(rows, purchase.quantities)
    except CartOccupied:
        # The check that follows takes everything out.
        return rows
    trouble = _troubled(purchase, rows)
    if not trouble:
        return rows
    if len(trouble) == purchase.reservations.count():
        purchasing.take_out(purchase, cart, claim, rows)
        buy_alone(trouble)
        text = _("None of the orders can be bought with the others: one by one next")
        purchasing.give_up(purchase, reason=text)
        raise BoughtApart(text)
    ours = {row.article for row in rows}
    gone = {article for r in trouble for article in wanted_pieces(r)} & ours
    rows = purchasing.take_out_articles(cart, claim, gone)
    _leave_out(purchase, trouble)
    purchasing.note_filled(purchase, rows)
    return rows


def is_in(purchase: Purchase, step: Step) -> bool:
    """Tell whether the step's order was not left out of the purchase."""
    return purchase.reservations.filter(order=step.order_id).exists()


def are_all_wanted(purchase: Purchase) -> bool:
    """Tell whether its orders still want just what was put in."""
    reservations = list(purchase.reservations.select_related("order"))
    if any(
        r.status != Reservation.Status.WANTED
        or _is_unwanted(r.order)
        # A reading leaves alone what is under way.
        or not r.wants(r.order.lines.all())
        for r in reservations
    ):
        return False
    wanted = {article: n for article, n, _cost in joint_lines(reservations)}
    return wanted == purchase.quantities


def _troubled(purchase: Purchase, rows: Sequence[CartRow]) -> dict[Reservation, str]:
    """Find the orders that the cart shows cannot be bought with the others, and why.

    With an order go those that share an article with it: a row can only be taken out
    whole.
    """
    there = {row.article: row for row in rows}
    prices = {row.article: row.price_kzt for row in rows}
    refused: dict[str, str] = {}
    for line in purchase.lines:
        article, quantity, cost = line
        try:
            checked_line((article, quantity, cost), there.get(article))
        except GoodsRefused as error:
            refused[article] = str(error)
    found: dict[Reservation, str] = {}
    sound: list[Reservation] = []
    for reservation in purchase.reservations.select_related("order").order_by("pk"):
        reason = _trouble_of(reservation, refused, prices)
        if reason:
            found[reservation] = reason
        else:
            sound.append(reservation)
    return {**found, **dict(_entangled(found, sound))}


def _leave_out(purchase: Purchase, reservations: Mapping[Reservation, str]) -> None:
    """Leave orders out of the purchase, whose rows are out of the cart by now."""
    with transaction.atomic():
        purchase.reservations.remove(*reservations)
        kept = list(purchase.reservations.select_related("order").order_by("pk"))
        purchase.lines = [list(line) for line in joint_lines(kept)]
        purchase.reference = " ".join(r.order.code for r in kept)
        purchase.save(update_fields=["lines", "reference"])
        buy_alone(reservations)


def buy_alone(reservations: Mapping[Reservation, str]) -> None:
    """Have orders bought by themselves next, and say on each why."""
    now = database_now()
    text = _("Not bought together with other orders (%(why)s): by itself next")
    for reservation, why in reservations.items():
        order = reservation.order
        for step in order.steps.of_kind(Step.Kind.RESERVE).open():
            alone = {**step.parameters, "alone": True}
            Step.objects.filter(pk=step.pk).update(parameters=alone)
            record(order, text % {"why": why}, now=now, step=step)


def is_led_by_another(step: Step, purchase: Purchase) -> bool:
    """Tell whether another order's step sees to the purchase: one look serves all.

    Once a person was asked, the first order's does; what they decided, any may do.
    """
    if not purchase.is_unsettled or purchase.decision:
        return False
    mine = purchase.reservations.filter(order=step.order_id).values("pk")
    before = purchase.reservations.filter(pk__lt=mine[:1])
    if purchase.status == Purchase.Status.NEEDS_PERSON:
        return before.exists()
    able = (Step.Status.PENDING, Step.Status.IN_FLIGHT, Step.Status.UNKNOWN)
    asked = Step.objects.of_kind(Step.Kind.RESERVE).filter(status__in=able)
    return asked.filter(order__reservations__in=before).exists()


def _is_possible() -> bool:
    if settings.BUY_TOGETHER == "off" or is_supervised():
        return False
    return learned(LearnedFact.Name.SUBMIT_EMPTIES) == "yes"


def _queue(*, now: datetime) -> StepQuerySet:
    waiting = Step.objects.of_kind(Step.Kind.RESERVE).filter(
        status=Step.Status.PENDING, not_before__lte=now
    )
    nearest = F("order__accept_by").asc(nulls_last=True)
    return waiting.select_related("order").order_by(nearest, "order_id")


def _deadlines(queue: StepQuerySet) -> Iterator[datetime | None]:
    yield from queue.values_list("order__accept_by", flat=True)


def _to_be_bought(order: Order) -> Reservation | None:
    """Give the order's reservation if nothing of its own speaks against buying it."""
    reservation = order.reservations.wanted().select_related("order").first()
    if reservation is None or _is_unwanted(order) or order.is_unsigned:
        return None
    if reservation.purchases.filter(status__in=Purchase.BUYING).exists():
        return None
    if cause_not_to_buy(order, reservation) or weigh_order(order, reservation).reason:
        return None
    return reservation


def _is_unwanted(order: Order) -> bool:
    return order.is_past_buying or order.is_being_cancelled


def _trouble_of(
    reservation: Reservation,
    refused: Mapping[str, str],
    prices: Mapping[str, int | None],
) -> str:
    order = Order.objects.get(pk=reservation.order_id)
    reservation.refresh_from_db()
    if _is_unwanted(order) or reservation.status != Reservation.Status.WANTED:
        return _("the order is called off")
    for article in wanted_pieces(reservation):
        if article in refused:
            return refused[article]
    return weigh_order(order, reservation, costs=prices).reason


def _entangled(
    found: Mapping[Reservation, str], sound: Sequence[Reservation]
) -> Iterator[tuple[Reservation, str]]:
    bad = {article for reservation in found for article in wanted_pieces(reservation)}
    left = list(sound)
    while True:
        touched = [r for r in left if bad & wanted_pieces(r).keys()]
        if not touched:
            return
        for reservation in touched:
            left.remove(reservation)
            bad |= wanted_pieces(reservation).keys()
            yield reservation, _("it shares goods with such an order")
