"""What staff ask for: each function writes rows, none calls a peer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from django.db import transaction
from django.utils.translation import gettext as _

from orders.models import (
    LearnedFact,
    Order,
    OrderLine,
    Purchase,
    Reservation,
    SkuMapping,
    Step,
)
from orders.models.step import StepAnswer, StepParameters
from orders.plan.events import record
from orders.plan.planning import replan
from orders.plan.transitions import (
    move_reservation,
    move_step,
)
from orders.plan.wanting import want_step
from plumbing.leases import database_now

Kind, Status = Step.Kind, Step.Status


class ActionImpossible(Exception):
    """The order is not in a state for this; the text tells the person why."""


def retry_step(step: Step, *, actor: str) -> None:
    """Try a stuck step again, with all its attempts.

    A reserve that left candidates may have its order at the supplier: it is settled
    by `adopt_supplier_order` or `reserve_anew`.
    """
    if step.answered.get("candidates"):
        raise ActionImpossible(
            _("Choose the order at Al-Style that is this one's, or reserve anew")
        )
    is_held = step.order.reservations.held().exists()
    is_its_own = Reservation.objects.held_before(step).exists()
    if step.kind == Kind.RELEASE and is_held and not is_its_own:
        raise ActionImpossible(
            _("What this was to release is gone; the goods were reserved anew")
        )
    _retry(step, actor=actor)


def _retry(step: Step, *, actor: str) -> None:
    now = database_now()
    with transaction.atomic():
        if step.status == Status.REFUSED:
            text = _("%(step)s: a person has it tried again")
            figures = {"step": step.get_kind_display()}
            if not move_step(
                step, Status.SKIPPED, text=text % figures, now=now, actor=actor
            ):
                raise ActionImpossible(_("Somebody else was first: look again"))
            if step.kind == Kind.RESERVE:
                _want_goods(step.order)
            _create(step.order, Kind(step.kind), step.parameters, actor=actor)
        else:
            if step.kind == Kind.RESERVE and step.status == Status.NEEDS_PERSON:
                _want_goods(step.order)
            _wake(step, actor=actor)


def request_step(
    order: Order,
    kind: Step.Kind,
    *,
    actor: str,
    parameters: StepParameters | None = None,
) -> None:
    """Ask for a step: a waiting one of the kind is woken, else one is made."""
    with transaction.atomic():
        Order.objects.select_for_update().get(pk=order.pk)
        if kind == Kind.RESERVE:
            _want_goods(order)
        elif kind == Kind.RELEASE:
            reservation = order.reservations.to_release().first()
            if reservation is None:
                raise ActionImpossible(_("Nothing is held for this order"))
            earlier = order.steps.of_kind(kind).idle()
            for step in earlier.filter(created_at__lt=reservation.created_at):
                # Woken, it would look for goods that are gone.
                reason = _("the goods were reserved anew")
                skip_step(step, actor=actor, reason=reason)
        waiting = order.steps.of_kind(kind).open().first()
        if waiting is None:
            _create(order, kind, parameters or {}, actor=actor)
        else:
            if parameters:
                Step.objects.filter(pk=waiting.pk, status=waiting.status).update(
                    parameters=parameters
                )
            _wake(waiting, actor=actor)


def request_line_step(
    line: OrderLine, kind: Step.Kind, *, actor: str, parameters: StepParameters
) -> None:
    """Ask for a step about one line; one refused makes room for it.

    One about another line must be over first: an order has one open step of a kind.
    """
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=line.order_id)
        for step in order.steps.of_kind(kind).filter(status=Status.REFUSED):
            skip_step(step, actor=actor, reason=_("asked for anew"))
        wanted: StepParameters = {**parameters, "entry_id": line.entry_id}
        _create(order, kind, wanted, actor=actor)


def mark_reserved_by_hand(order: Order, *, actor: str, number: str = "") -> None:
    """Note that a person has reserved the goods at Al-Style.

    The order of a number counts when it was seen there to hold them; then the bridge
    follows it like its own.
    """
    now = database_now()
    with transaction.atomic():
        Order.objects.select_for_update().get(pk=order.pk)
        _refuse_unsettled(order, Kind.RESERVE)
        refuse_doubtful(order)
        reservation = _want_goods(order)
        text = _("Reserved by hand")
        if number:
            refuse_taken(number, [order.pk])
            _skip_idle(order, Kind.RESERVE, reason=f"{text}: {number}", actor=actor)
            _create(order, Kind.RESERVE, {"number": number}, actor=actor)
        else:
            move_reservation(
                reservation,
                Reservation.Status.BY_HAND,
                text=text,
                now=now,
                actor=actor,
                held_at=now,
            )
            _skip_idle(order, Kind.RESERVE, reason=text, actor=actor)
            replan(order, now=now, actor=actor)


def mark_released(order: Order, *, actor: str) -> None:
    """Note that a person has seen to it that Al-Style holds nothing any more."""
    now = database_now()
    with transaction.atomic():
        Order.objects.select_for_update().get(pk=order.pk)
        _refuse_unsettled(order, Kind.RELEASE)
        reservation = order.reservations.to_release().first()
        if reservation is None:
            raise ActionImpossible(_("Nothing is held for this order"))
        by_hand = reservation.status == Reservation.Status.BY_HAND
        to = Reservation.Status.DROPPED if by_hand else Reservation.Status.RELEASED
        text = _("Released by hand")
        move_reservation(reservation, to, text=text, now=now, actor=actor)
        _skip_idle(order, Kind.RELEASE, reason=text, actor=actor)


def adopt_supplier_order(step: Step, number: str, *, actor: str) -> None:
    """Settle the doubtful purchase of a step: this order at Al-Style is its own."""
    if step.kind != Kind.RESERVE or step.status != Status.NEEDS_PERSON:
        raise ActionImpossible(_("This step waits for no such choice"))
    adopt_for_purchase(_purchase_to_settle(step.order), number, actor=actor)


def adopt_for_purchase(
    purchase: Purchase, number: str, *, actor: str, is_unwanted: bool = False
) -> None:
    """Settle a doubtful purchase: this order at Al-Style is the one it made.

    It counts once it was seen to be alive: the look that found it may be a day old. If
    the buyer has called the order off meanwhile, or it `is_unwanted`, it is released
    next.
    """
    if number not in {str(candidate["id"]) for candidate in purchase.candidates}:
        raise ActionImpossible(
            _("Order %(number)s is not among the candidates") % {"number": number}
        )
    _refuse_settled(purchase)
    with transaction.atomic():
        refuse_taken(number, purchase.reservations.values_list("order", flat=True))
        waiting = Purchase.objects.filter(
            pk=purchase.pk, status=Purchase.Status.NEEDS_PERSON
        )
        decision = "release" if is_unwanted else "adopt"
        if not waiting.update(decision=decision, chosen=number, adopted_by=actor):
            raise ActionImpossible(_("Somebody else was first: look again"))
        purchase.chosen = number
        text = _("Al-Style's order %(number)s is this one's, a person has seen")
        _wake_reserve(purchase, actor=actor, text=text)


def reserve_anew(step: Step, *, actor: str) -> None:
    """Settle the doubtful purchase of a step: nothing was bought."""
    buy_anew(_purchase_to_settle(step.order), actor=actor)


def buy_anew(purchase: Purchase, *, actor: str) -> None:
    """Settle a doubtful purchase: nothing was bought; empty the cart and try again."""
    _refuse_settled(purchase)
    text = _("Nothing was bought, a person has seen: emptying the cart, then anew")
    with transaction.atomic():
        # Once somebody has chosen its order, that is looked at first: bought anew
        # meanwhile, the goods would be bought twice.
        undecided = Purchase.objects.filter(
            pk=purchase.pk, status=Purchase.Status.NEEDS_PERSON, chosen=""
        )
        if not undecided.update(decision="not_made"):
            raise ActionImpossible(_("Somebody else was first: look again"))
        for reservation in purchase.reservations.wanted().select_related("order"):
            _want_goods(reservation.order)
        _wake_reserve(purchase, actor=actor, text=text)


def _refuse_settled(purchase: Purchase) -> None:
    if purchase.status != Purchase.Status.NEEDS_PERSON:
        raise ActionImpossible(_("The purchase waits for no such choice any more"))


def go_on_with(purchase: Purchase, *, actor: str) -> None:
    """Let a supervised purchase make its next call."""
    text = _("Purchase watched over: go on after: %(stage)s")
    with transaction.atomic():
        _end_pause(purchase, actor=actor, decision="")
        _wake_reserve(purchase, actor=actor, text=text)


def note_fact(fact: LearnedFact, *, actor: str) -> None:
    """Take note that what is known of Al-Style has changed."""
    LearnedFact.objects.filter(pk=fact.pk).update(
        noted_at=database_now(), noted_by=actor
    )


def go_on_alone(purchase: Purchase | None, *, actor: str) -> None:
    """End the supervision of purchases for ever; the one that waits goes on."""
    now = database_now()
    with transaction.atomic():
        LearnedFact.objects.get_or_create(
            name=LearnedFact.Name.GOES_ON_ALONE,
            defaults={"value": "yes", "evidence": actor, "learned_at": now},
        )
        if purchase is not None and purchase.paused_at is not None:
            _end_pause(purchase, actor=actor, decision="")
            text = _("Purchases go on by themselves from now on")
            _wake_reserve(purchase, actor=actor, text=text)


def stop_purchase(purchase: Purchase, *, actor: str) -> None:
    """Stop a supervised purchase: our rows are taken out of the cart."""
    if purchase.stage == Purchase.Stage.SUBMITTED:
        raise ActionImpossible(_("It is ordered already: release that order instead"))
    text = _("Purchase watched over: stopped after: %(stage)s")
    with transaction.atomic():
        _end_pause(purchase, actor=actor, decision="stop")
        _wake_reserve(purchase, actor=actor, text=text)


def _end_pause(purchase: Purchase, *, actor: str, decision: str) -> None:
    watched = [*purchase.watched]
    if watched:
        watched[-1] = {**watched[-1], "by": actor}
    # As the person saw it: two people may press at once.
    waiting = Purchase.objects.paused().filter(
        pk=purchase.pk, paused_at=purchase.paused_at
    )
    if not waiting.update(paused_at=None, watched=watched, decision=decision):
        raise ActionImpossible(_("Somebody else was first: look again"))


def _wake_reserve(purchase: Purchase, *, actor: str, text: str) -> None:
    """Let the purchase's steps go on, whatever has become of it meanwhile."""
    now = database_now()
    text %= {"stage": purchase.get_stage_display(), "number": purchase.chosen}
    order = purchase.first_order
    if order is None:
        raise ActionImpossible(_("The purchase is for no order any more"))
    asked = Step.objects.of_kind(Kind.RESERVE).open().select_related("order")
    steps = asked.filter(order__reservations__in=purchase.reservations.all())
    if not steps:
        want_step(order, Kind.RESERVE, now=now, text=text, actor=actor)
    for step in steps.distinct():
        if step.status != Status.NEEDS_PERSON:
            record(step.order, text, now=now, step=step, actor=actor)
            Step.objects.filter(pk=step.pk).update(not_before=now)
        elif not move_step(
            step,
            Status.PENDING,
            text=text,
            now=now,
            actor=actor,
            answered={},
            not_before=now,
            attempts=0,
            looks=0,
        ):
            raise ActionImpossible(_("Somebody else was first: look again"))


def _purchase_to_settle(order: Order) -> Purchase:
    waiting = Purchase.objects.filter(status=Purchase.Status.NEEDS_PERSON)
    purchase = waiting.filter(reservations__order=order).first()
    if purchase is None:
        raise ActionImpossible(_("No purchase of this order waits for a person"))
    return purchase


def assemble_anew(step: Step, *, actor: str) -> None:
    """Settle a doubtful assemble: a person has seen that Kaspi made no waybill."""
    with transaction.atomic():
        asked = step.order.steps.of_kind(Kind.ASSEMBLE)
        doubtful = asked.filter(pk=step.pk, status=Status.NEEDS_PERSON)
        if not doubtful.update(sent={}, sent_at=None):
            raise ActionImpossible(_("Somebody else was first: look again"))
        # Those dropped before it leave the same doubt.
        asked.filter(status=Status.SKIPPED).update(sent={}, sent_at=None)
        _retry(step, actor=actor)


def order_at_new_price(step: Step, cost_kzt: int, *, actor: str) -> None:
    """Buy although the order earns too little, as long as it costs no more than this.

    The consent stays with the step however often it is tried; a step asked for anew
    has none.
    """
    if not step.waits_for_price:
        raise ActionImpossible(_("This step does not wait for a price"))
    parameters: StepParameters = {
        **cast("StepParameters", step.parameters),
        "accept_cost_kzt": cost_kzt,
    }
    text = _("%(step)s: a person agrees to a cost of at most %(cost)s ₸")
    figures = {"step": step.get_kind_display(), "cost": cost_kzt}
    with transaction.atomic():
        Step.objects.filter(pk=step.pk).update(parameters=parameters)
        step.parameters = parameters
        now = database_now()
        record(step.order, text % figures, now=now, step=step, actor=actor)
        _retry(step, actor=actor)


def skip_step(step: Step, *, actor: str, reason: str) -> None:
    """Drop a stuck step: a person has seen to it."""
    if step.kind == Kind.RESERVE:
        refuse_doubtful(step.order)
    text = _("%(step)s: dropped, %(reason)s")
    figures = {"step": step.get_kind_display(), "reason": reason}
    answered = cast("StepAnswer", dict(step.answered))
    # Who keeps the goods of a living order has not said that of one called off later.
    order = Order.objects.get(pk=step.order_id)
    if step.kind != Kind.RELEASE or order.is_called_off:
        answered["dropped_by"] = actor
    if Status.SKIPPED not in Step.ALLOWED[Status(step.status)] or not move_step(
        step,
        Status.SKIPPED,
        text=text % figures,
        now=database_now(),
        actor=actor,
        answered=answered,
    ):
        raise ActionImpossible(_("The step is not waiting any more: look again"))


def _create(
    order: Order, kind: Step.Kind, parameters: StepParameters, *, actor: str
) -> None:
    text = _("%(step)s: asked for") % {"step": kind.label}
    now = database_now()
    step = want_step(
        order, kind, now=now, parameters=parameters, text=text, actor=actor
    )
    if step is None:
        raise ActionImpossible(_("This is being done already: look again"))


def _wake(step: Step, *, actor: str) -> None:
    now = database_now()
    if step.status == Status.NEEDS_PERSON:
        text = _("%(step)s: a person has it tried again")
        figures = {"step": step.get_kind_display()}
        if move_step(
            step,
            Status.PENDING,
            text=text % figures,
            now=now,
            actor=actor,
            not_before=now,
            attempts=0,
            looks=0,
            # It says nothing of the try to come, and a button hangs on it.
            answered={},
        ):
            return
        raise ActionImpossible(_("Somebody else was first: look again"))
    waiting = Step.objects.filter(
        pk=step.pk, status__in=(Status.PENDING, Status.UNKNOWN)
    )
    if not waiting.update(not_before=now):
        raise ActionImpossible(_("This is being done already: look again"))


def _want_goods(order: Order) -> Reservation:
    """Give the order's wanted reservation, making one when there is none."""
    reservation = order.reservations.open().first()
    if reservation is None:
        reservation = Reservation.objects.create(order=order, created_at=database_now())
    if reservation.status != Reservation.Status.WANTED:
        raise ActionImpossible(_("The goods are reserved already"))
    # What a person mapped or corrected since the order came counts now.
    map_lines(order)
    reservation.want(order.lines.all())
    return reservation


def map_lines(order: Order) -> None:
    """Find the products of lines whose SKU was unknown when the order came."""
    problems = order.problem.split("\n")
    unknown = list(order.lines.filter(product__isnull=True).exclude(sku=""))
    products = SkuMapping.objects.products_of(line.sku for line in unknown)
    for line in unknown:
        product = products.get(line.sku)
        if product is None:
            continue
        line.product = product
        if line.quantity:
            said = f"{line.sku}: {line.problem}"
            problems = [problem for problem in problems if problem != said]
            line.problem = ""
        line.save(update_fields=["product", "problem"])
    if order.problem != "\n".join(problems):
        order.problem = "\n".join(problems)
        order.save(update_fields=["problem"])


def refuse_taken(number: str, orders: Iterable[int]) -> None:
    """Another order's goods cannot be these orders' too."""
    if Reservation.objects.having(number).exclude(order__in=orders).exists():
        raise ActionImpossible(
            _("Order %(number)s at Al-Style holds another order's goods")
            % {"number": number}
        )


def _refuse_unsettled(order: Order, kind: Step.Kind) -> None:
    if order.steps.of_kind(kind).unsettled().exists():
        raise ActionImpossible(
            _("The bridge is at it right now: wait a minute and look again")
        )


def refuse_doubtful(order: Order) -> None:
    """A purchase that may have bought the goods must not be forgotten."""
    unsettled = Purchase.objects.unsettled().filter(reservations__order=order)
    if unsettled.exists():
        raise ActionImpossible(
            _("Settle first what became of the purchase that was begun for this order")
        )


def _skip_idle(order: Order, kind: Step.Kind, *, reason: str, actor: str) -> None:
    for step in order.steps.of_kind(kind).idle():
        skip_step(step, actor=actor, reason=reason)
