"""What we ask of Kaspi: accept, assemble, arrive, complete, cancel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.utils.translation import gettext as _

from orders.clients import Clients
from orders.kaspi.client import KaspiClient, WeighedCut
from orders.kaspi.words import said
from orders.models import Order, Reason, Step
from orders.plan.claims import Claim
from orders.reading.failures import tell_failure
from orders.reading.refreshing import refresh_order
from orders.steps import outcomes
from orders.steps.outcomes import Outcome
from plumbing.leases import database_now
from plumbing.peers import (
    PeerAccessRefused,
    PeerRefused,
    PeerUnavailable,
    PeerWriteWithheld,
)

Kind = Step.Kind
Send = Callable[[KaspiClient, Order, Step], str]
LOOK_AGAIN_AFTER_S = 45
# An effect can take three minutes to show; this many looks are well over five.
MOST_LOOKS = 10
REMOVAL_LOOKS = 4
# What Kaspi showed so lately is not read again before a write that must not be double.
FRESH_FOR = timedelta(minutes=1)
IN_PROGRESS = "INPROGRESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class KaspiHandler:
    """One write to Kaspi.

    `is_reached` tells from the order's facts that the wanted state is there; None =
    the facts do not show it. `repeats`: whether a write that may have arrived can be
    sent again (an assemble makes a new waybill each time); one that Kaspi has taken
    is not. `looks`: how often its effect is looked for before that, or before a person
    is asked.
    """

    send: Send
    is_reached: Callable[[Order, Step], bool] | None = None
    repeats: bool = True
    looks: int = 1
    survives_cancel: bool = False
    rereads: bool = True

    def describe(self, step: Step) -> str:
        """Say what would be sent."""
        # The buyer's code is a secret, whatever else is told.
        told = {k: v for k, v in step.parameters.items() if k != "code"}
        return f"{step.get_kind_display()} {step.order.code} {told or ''}".rstrip()

    def perform(self, claim: Claim, clients: Clients) -> Outcome:
        """Send the write, unless its effect is there or it has become pointless."""
        step = claim.step
        order = Order.objects.get(pk=step.order_id)
        settled = self._settled(order, step)
        if settled is not None:
            return settled
        if step.kind == Kind.ACCEPT:
            put_off = _not_to_be_promised(order, step)
            if put_off is not None:
                return put_off
        if self._may_have_left(step):
            return self.look(claim, clients)
        if not self.repeats and database_now() - order.last_seen > FRESH_FOR:
            # Somebody may have done it in Kaspi's cabinet since.
            order = refresh_order(order.pk, clients.kaspi)
            settled = self._settled(order, step)
            if settled is not None:
                return settled
        claim.renew(sent_at=database_now(), sent={"kind": step.kind})
        try:
            answer = self.send(clients.kaspi, order, step)
        except (PeerUnavailable, PeerWriteWithheld, PeerRefused) as error:
            # Surely not done: what never left may be sent again, an assemble too.
            claim.renew(sent_at=None, sent={})
            if not isinstance(error, PeerRefused) or isinstance(
                error, PeerAccessRefused
            ):
                raise
            # Perhaps it is so already: the order itself tells.
            settled = self._settled(refresh_order(order.pk, clients.kaspi), step)
            reason = Step.REFUSED_AS[Kind(step.kind)]
            return settled or outcomes.refused(
                reason, str(error), apply=partial(_forget, step)
            )
        return self._taken(step, order, clients, answer=answer)

    def _taken(
        self, step: Step, order: Order, clients: Clients, *, answer: str
    ) -> Outcome:
        """Re-read the order: that Kaspi has taken a write is only an echo of it."""
        if self.rereads:
            order = _reread(order, clients)
        figures = {"step": step.get_kind_display()}
        if answer == IN_PROGRESS and not _is_weighed(step):
            settled = self._settled(order, step)
            text = _("%(step)s: Kaspi is at it")
            return settled or outcomes.unknown(
                text % figures, look_after_s=LOOK_AGAIN_AFTER_S
            )
        if not self._is_seen(order, step):
            text = _("%(step)s: Kaspi has taken it and does not show it yet")
            return outcomes.unknown(
                text % figures,
                look_after_s=LOOK_AGAIN_AFTER_S,
                answered={"is_taken": True},
            )
        text = _("%(step)s: Kaspi has taken it")
        return outcomes.done(text % figures, apply=partial(_finish, step))

    def look(self, claim: Claim, clients: Clients) -> Outcome:
        """Re-read the order: is the wanted state there?"""
        step = claim.step
        order = refresh_order(step.order_id, clients.kaspi)
        settled = self._settled(order, step)
        if settled is not None:
            return settled
        figures = {"step": step.get_kind_display()}
        if step.sent_at is None and not self._may_have_left(step):
            text = _("%(step)s: it was not sent: doing it now")
            return outcomes.retry(text % figures, after_s=0)
        if self.is_reached is None:
            text = _("%(step)s: Kaspi does not show whether it was done: look there")
            return outcomes.needs_person(Reason.EFFECT_UNSEEN, text % figures)
        is_taken = bool(step.answered.get("is_taken"))
        if step.looks < (MOST_LOOKS if is_taken else self.looks):
            text = _("%(step)s: Kaspi does not show it yet: looking again")
            return outcomes.unknown(text % figures, look_after_s=LOOK_AGAIN_AFTER_S)
        if not self.repeats:
            text = _(
                "%(step)s: no effect at Kaspi; repeating would make a second waybill"
            )
            return outcomes.needs_person(Reason.NO_WAYBILL_SEEN, text % figures)
        if is_taken:
            text = _("%(step)s: Kaspi has taken it, and the order is as it was")
            return outcomes.needs_person(
                Reason.NO_EFFECT, text % figures, apply=partial(_forget, step)
            )
        text = _("%(step)s: Kaspi does not have it: doing it again")
        return outcomes.retry(text % figures, after_s=0)

    def _is_seen(self, order: Order, step: Step) -> bool:
        """Tell whether the order shows what Kaspi has taken, or would not show it."""
        if not self.rereads or self.is_reached is None or _is_weighed(step):
            return True
        return self.is_reached(order, step)

    def _may_have_left(self, step: Step) -> bool:
        """Tell whether to send it now could be to send it a second time."""
        if self.repeats:
            return False
        sent = Step.objects.of_kind(step.kind).filter(sent_at__isnull=False)
        return sent.filter(order_id=step.order_id).exists()

    def _settled(self, order: Order, step: Step) -> Outcome | None:
        figures = {"step": step.get_kind_display(), "status": said(order.status)}
        if self.is_reached is not None and self.is_reached(order, step):
            text = _("%(step)s: Kaspi has it (%(status)s)")
            return outcomes.done(text % figures, apply=partial(_finish, step))
        if order.is_over and not self.survives_cancel:
            text = _("%(step)s: no longer possible, the order is %(status)s")
            return outcomes.skipped(text % figures)
        return None


def _not_to_be_promised(order: Order, step: Step) -> Outcome | None:
    """Say why the order is not accepted now; None when it may be."""
    if order.is_being_cancelled:
        return outcomes.after_cancel(step)
    # What the accept relied on when it was asked for must still stand.
    if step.parameters.get("unreserved"):
        return None
    if any(held.is_being_let_go for held in order.reservations.serving()):
        return outcomes.after_release(step)
    if order.is_served:
        return None
    text = _(
        "The goods are no longer held at Al-Style: reserve them anew, "
        "or accept the order without them"
    )
    if order.reservations.serving().exists():
        text = _(
            "Al-Style's order lacks pieces of this one: have it put right there, "
            "or accept the order without them"
        )
    return outcomes.needs_person(Reason.GOODS_GONE, text)


def _reread(order: Order, clients: Clients) -> Order:
    try:
        return refresh_order(order.pk, clients.kaspi)
    except Exception as error:
        # The write was taken; a later reading will show its effect.
        tell_failure(error, about=order.code)
        return Order.objects.get(pk=order.pk)


def _forget(step: Step, now: datetime) -> None:
    """Drop the buyer's code: it has served."""
    Step.objects.filter(pk=step.pk, kind=Kind.COMPLETE).update(parameters={})


def _finish(step: Step, now: datetime) -> None:
    """Note what Kaspi does not tell again, and drop what has served."""
    _forget(step, now)
    if step.kind == Kind.ARRIVE:
        Order.objects.filter(pk=step.order_id).update(arrived_at=now)


def _is_accepted(order: Order, step: Step) -> bool:
    return order.status in (Order.ACCEPTED, Order.COMPLETED)


def _is_assembled(order: Order, step: Step) -> bool:
    return order.is_assembled or order.handed_over_at is not None


def _is_back(order: Order, step: Step) -> bool:
    return order.status in (Order.RETURN_ACCEPTED, Order.RETURNED, Order.CANCELLED)


def _is_called_off(order: Order, step: Step) -> bool:
    return order.is_called_off


def _is_completed(order: Order, step: Step) -> bool:
    return order.status == Order.COMPLETED


def _is_weighed(step: Step) -> bool:
    return "weight_g" in step.parameters


def _is_removed(order: Order, step: Step) -> bool:
    # No weights are kept here: of weighed goods only Kaspi's answer tells.
    line = order.lines.filter(entry_id=step.parameters["entry_id"])
    remained = step.parameters["remained"]
    return not _is_weighed(step) and line.filter(quantity=remained).exists()


def _send_cancel(kaspi: KaspiClient, order: Order, step: Step) -> str:
    return kaspi.cancel(
        order.kaspi_id,
        code=order.code,
        reason=step.parameters.get("reason", "MERCHANT_OUT_OF_STOCK"),
        comment=step.parameters.get("comment", ""),
    )


def _send_removal(kaspi: KaspiClient, order: Order, step: Step) -> str:
    wanted = step.parameters
    entry_id, remained = wanted["entry_id"], int(wanted["remained"])
    reason = wanted.get("reason", "MERCHANT_OUT_OF_STOCK")
    notes = wanted.get("comment", "")
    if not _is_weighed(step):
        return kaspi.remove_line(
            entry_id, remained_quantity=remained, reason=reason, notes=notes
        )
    cut = WeighedCut(
        entry_id=entry_id,
        remained_quantity=remained,
        remained_weight_g=wanted["weight_g"],
        reason=reason,
        notes=notes,
    )
    return kaspi.cut_weighed(order.kaspi_id, cuts=[cut])


ACCEPT = KaspiHandler(
    send=lambda kaspi, order, step: kaspi.accept(order.kaspi_id, code=order.code),
    is_reached=_is_accepted,
    # Many are confirmed by one page of the next refresh.
    rereads=False,
)
ASSEMBLE = KaspiHandler(
    send=lambda kaspi, order, step: kaspi.assemble(
        order.kaspi_id, code=order.code, places=int(step.parameters.get("places", 1))
    ),
    is_reached=_is_assembled,
    repeats=False,
    looks=MOST_LOOKS,
)
ARRIVE = KaspiHandler(
    send=lambda kaspi, order, step: kaspi.arrived(order.kaspi_id, code=order.code)
)
ARRIVE_BACK = KaspiHandler(
    send=lambda kaspi, order, step: kaspi.arrived_backward(
        order.kaspi_id, code=order.code
    ),
    is_reached=_is_back,
    survives_cancel=True,
)
SEND_CODE = KaspiHandler(
    send=lambda kaspi, order, step: kaspi.send_code(order.kaspi_id, code=order.code)
)
COMPLETE = KaspiHandler(
    send=lambda kaspi, order, step: kaspi.complete(
        order.kaspi_id, code=order.code, security_code=step.parameters.get("code", "")
    ),
    is_reached=_is_completed,
)
CANCEL = KaspiHandler(send=_send_cancel, is_reached=_is_called_off)
REMOVE_LINE = KaspiHandler(
    send=_send_removal,
    is_reached=_is_removed,
    # Kaspi may be at it for a while; sent again it names the same rest, never less.
    looks=REMOVAL_LOOKS,
)
IMEI = KaspiHandler(
    send=lambda kaspi, order, step: kaspi.note_imei(
        step.parameters["entry_id"], imei=step.parameters["imei"]
    ),
    rereads=False,
)
