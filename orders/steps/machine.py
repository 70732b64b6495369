"""Does what is due: claim, call with no transaction open, settle."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf

from django.conf import settings
from django.db import transaction
from django.db.models import F, Min
from django.utils.translation import gettext as _

from orders.clients import Clients
from orders.models import Order, Reason, Step
from orders.models.step import CLAIM_S, StepQuerySet
from orders.plan.claims import Claim, ClaimLost, claim_step
from orders.plan.planning import replan
from orders.plan.transitions import StepFields, move_step
from orders.reading.refreshing import OrderNotShown
from orders.steps import HANDLERS, outcomes
from orders.steps.outcomes import Outcome
from orders.supply.cart import CART_LEASE
from plumbing import epoch, tracing
from plumbing.call_deadlines import only_while_claimed
from plumbing.leases import database_now, is_taken
from plumbing.peers import (
    PeerAccessRefused,
    PeerError,
    PeerOutcomeUnknown,
    PeerPage,
    PeerRefused,
    PeerUnavailable,
    PeerWriteGuarded,
    PeerWriteWithheld,
)

log = logging.getLogger(__name__)

Status = Step.Status
BACKOFF_S, LONGEST_BACKOFF_S = 30, 600
LOOK_AFTER_S = 30
WITHHELD_AFTER_S = 3600
GUARDED_AFTER_S = 60
# No step is put off for longer.
LONGEST_WAIT = timedelta(hours=2)
CLOCK_SLACK_S = 5
# What waits for another's claim or for the cart may be free by then.
HELD_BACK_S = 5.0
REFUSED_ACCESS_AFTER_S = 600
PAGE_AFTER_S = 120


@dataclass(slots=True)
class Processed:
    """What one run of the machine did."""

    counts: dict[str, int] = field(default_factory=dict)
    unreachable: set[str] = field(default_factory=set)
    is_guarded: bool = False

    def add(self, status: str) -> None:
        """Count a settled step."""
        self.counts[status] = self.counts.get(status, 0) + 1

    def join(self, other: Processed) -> None:
        """Add another run's figures."""
        for status, number in other.counts.items():
            self.counts[status] = self.counts.get(status, 0) + number
        self.unreachable |= other.unreachable
        self.is_guarded |= other.is_guarded

    @property
    def summary(self) -> str:
        """Say it in one line."""
        parts = [f"{number} {status}" for status, number in self.counts.items()]
        parts += [f"{peer} unreachable" for peer in sorted(self.unreachable)]
        parts += ["nothing is written until reconciled"] if self.is_guarded else []
        return ", ".join(parts) or "nothing due"


def sweep(*, now: datetime) -> int:
    """Take steps from workers that died: whether they had written is unknown."""
    _bring_back(now=now)
    dead = Step.objects.filter(status=Status.IN_FLIGHT, claimed_until__lt=now)
    swept = 0
    for step in dead.select_related("order"):
        text = _("%(step)s: its worker was lost, the outcome is unknown")
        swept += move_step(
            step,
            Status.UNKNOWN,
            text=text % {"step": step.get_kind_display()},
            now=now,
            not_before=now,
        )
    return swept


def _bring_back(*, now: datetime) -> None:
    """Bring near what lies further ahead than it can: the clock was set back."""
    until = now + timedelta(seconds=CLAIM_S)
    too_late = until + timedelta(seconds=CLOCK_SLACK_S)
    # A worker that lives renews its claim before it writes; else the claim runs out.
    Step.objects.filter(claimed_until__gt=too_late).update(claimed_until=until)
    waiting = Step.objects.filter(status__in=(Status.PENDING, Status.UNKNOWN))
    waiting.filter(not_before__gt=now + LONGEST_WAIT).update(not_before=now)


def process_due(
    clients: Clients,
    *,
    budget_s: float,
    peer: str = "",
    also_later: bool = False,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Processed:
    """Do what is due until nothing is left, `budget_s` is spent or it is to stop.

    `peer`: only what is asked of this one. `also_later`: also, once each, what waits
    for a later moment.
    """
    result, give_up = Processed(), time.monotonic() + budget_s
    sweep(now=database_now())
    if epoch.is_guarded():
        # Not even looks: what they would follow from is what the database lacks.
        result.is_guarded = True
        return result
    later = list(_unclaimed(peer).values_list("pk", flat=True)) if also_later else []
    while not (result.is_guarded or time.monotonic() >= give_up or is_stopping()):
        step = _next_due(result.unreachable, peer=peer)
        if step is None and later:
            step = _unclaimed(peer).filter(pk=later.pop(0)).first()
            if step is None:
                continue
        if step is None:
            break
        run_step(step, clients, result)
    return result


def is_anything_due(*, now: datetime, peer: str = "") -> bool:
    """Tell whether a step waits to be done or looked at, at `peer` if it is named."""
    return due_in(now=now, peer=peer) == 0


def due_in(*, now: datetime, peer: str = "") -> float:
    """Say in how many seconds a step may be due; 0 = one is, `inf` = none waits."""
    # Mostly nothing waits at all, which the first question tells.
    waiting = Step.objects.filter(status__in=(Status.PENDING, Status.UNKNOWN))
    if peer:
        waiting = waiting.filter(peer=peer)
    soonest: datetime | None = waiting.aggregate(at=Min("not_before"))["at"]
    if soonest is None:
        return inf
    if soonest > now:
        return (soonest - now).total_seconds()
    return 0 if _due(now=now, peer=peer).exists() else HELD_BACK_S


def run_step(step: Step, clients: Clients, result: Processed) -> None:
    """Claim one step, do it or look for its effect, settle it."""
    is_look = step.status == Status.UNKNOWN
    name = step.get_kind_display()
    with only_while_claimed():
        claim = claim_step(step, text=_("%(step)s: begun") % {"step": name})
        if claim is None:
            return
        with tracing.traced(step=str(step.pk), order=step.order.code):
            _do_claimed(step, claim, clients, result, name=name, is_look=is_look)


def _do_claimed(
    step: Step,
    claim: Claim,
    clients: Clients,
    result: Processed,
    *,
    name: str,
    is_look: bool,
) -> None:
    if step.attempts > settings.STEP_ATTEMPTS and not is_look:
        outcome = outcomes.needs_person(
            Reason.TRIED_IN_VAIN,
            _("%(step)s: tried %(tries)s times in vain: %(error)s")
            % {
                "step": name,
                "tries": settings.STEP_ATTEMPTS,
                "error": step.last_error,
            },
        )
    else:
        try:
            outcome = _attempt(claim, clients, result, is_look=is_look)
        except ClaimLost:
            return
        except Exception as error:
            log.exception("%s, order %s", step.kind, step.order_id)
            outcome = _broken(step, error, is_look=is_look)
    try:
        is_settled = settle(step, outcome)
    except Exception as error:
        log.exception("%s, order %s, settling", step.kind, step.order_id)
        _give_up_settling(step, error)
        return
    if is_settled:
        result.add(step.status)


def settle(step: Step, outcome: Outcome) -> bool:
    """Write the outcome, what follows from it, and the new plan, all or nothing."""
    now = database_now()
    fields: StepFields = {
        "last_error": "" if outcome.status == Status.DONE else outcome.text,
        "not_before": now + timedelta(seconds=outcome.after_s),
        "answered": outcome.answered or step.answered,
        "reason": outcome.reason or "",
    }
    if not outcome.is_attempt:
        fields["attempts"] = F("attempts") - 1
    with transaction.atomic():
        if step.status == outcome.status:
            # Still unknown after a look.
            free = Step.objects.filter(
                pk=step.pk, status=step.status, claimed_by=step.claimed_by
            )
            return free.update(claimed_by="", claimed_until=None, **fields) == 1
        if not move_step(step, outcome.status, text=outcome.text, now=now, **fields):
            return False
        if outcome.apply is not None:
            outcome.apply(now)
        step.order.refresh_from_db()
        replan(step.order, now=now)
    return True


def _attempt(
    claim: Claim, clients: Clients, result: Processed, *, is_look: bool
) -> Outcome:
    """Call the peer; every failure becomes an outcome."""
    step = claim.step
    handler = HANDLERS[Step.Kind(step.kind)]
    name = step.get_kind_display()
    try:
        if is_look:
            return handler.look(claim, clients)
        if settings.OBSERVE_ONLY:
            return _withheld(name, handler.describe(step))
        return handler.perform(claim, clients)
    except PeerWriteWithheld as error:
        return _not_sent(step, error, result, is_look=is_look)
    except PeerOutcomeUnknown as error:
        text = _("%(step)s: it is unknown whether it was done: %(error)s")
        return outcomes.unknown(
            text % {"step": name, "error": error}, look_after_s=LOOK_AFTER_S
        )
    except (PeerUnavailable, PeerAccessRefused) as error:
        result.unreachable.add(step.peer)
        return _later(step, str(error), error=error, is_look=is_look)
    except PeerRefused as error:
        if is_look:
            return _not_found(step, error)
        return outcomes.refused(
            Step.REFUSED_AS[Step.Kind(step.kind)],
            _("%(step)s: refused: %(error)s") % {"step": name, "error": error},
        )
    except PeerError as error:
        return _later(step, str(error), error=error, is_look=is_look)


def _not_found(step: Step, error: PeerRefused) -> Outcome:
    """Look again, but not for ever, for what the peer says it does not know."""
    gone = Order.objects.gone().filter(pk=step.order_id)
    is_gone = isinstance(error, OrderNotShown) and gone.exists()
    if step.looks <= settings.STEP_ATTEMPTS and not is_gone:
        return _later(step, str(error), error=error, is_look=True)
    reason = Reason.NOT_SHOWN if is_gone else Reason.TRIED_IN_VAIN
    text = _("%(step)s: its outcome cannot be seen: %(error)s")
    figures = {"step": step.get_kind_display(), "error": error}
    return outcomes.needs_person(reason, text % figures)


def _broken(step: Step, error: Exception, *, is_look: bool) -> Outcome:
    """A fault of our own: whether the peer was asked before it struck is unknown."""
    figures = {"step": step.get_kind_display(), "error": type(error).__name__}
    if is_look and step.looks > settings.STEP_ATTEMPTS:
        text = _("%(step)s: each look at it ends in a fault of the bridge (%(error)s)")
        return outcomes.needs_person(Reason.FAULT, text % figures)
    text = _("%(step)s: a fault of the bridge (%(error)s), the outcome is unknown")
    return outcomes.unknown(
        text % figures, look_after_s=_backoff_s(step.looks if is_look else 1)
    )


def _give_up_settling(step: Step, error: Exception) -> None:
    """Leave the step to the sweep, which has it looked at; not for ever.

    What came of it could not be written down: a look finds it at the peer.
    """
    row = Step.objects.select_related("order").get(pk=step.pk)
    if row.looks <= settings.STEP_ATTEMPTS or row.status != Status.UNKNOWN:
        return
    text = _("%(step)s: its outcome cannot be written down (%(error)s)")
    figures = {"step": row.get_kind_display(), "error": type(error).__name__}
    move_step(
        row,
        Status.NEEDS_PERSON,
        text=text % figures,
        now=database_now(),
        last_error=text % figures,
        reason=Reason.FAULT,
    )


def _backoff_s(tries: int) -> float:
    return float(min(BACKOFF_S * 2 ** max(tries - 1, 0), LONGEST_BACKOFF_S))


def _later(step: Step, text: str, *, error: PeerError, is_look: bool) -> Outcome:
    """Come back later; only a peer that was not at work gives the try back."""
    tries = step.looks if is_look else step.attempts
    after_s = _backoff_s(tries)
    name = step.get_kind_display()
    said = _("%(step)s: %(error)s") % {"step": name, "error": text}
    if is_look:
        return outcomes.unknown(said, look_after_s=after_s)
    if isinstance(error, PeerAccessRefused):
        after_s = REFUSED_ACCESS_AFTER_S
    elif isinstance(error, PeerPage):
        # "We are back in the morning": it goes on by itself then. Whatever waits for
        # too long is told, and its page has the buttons.
        after_s = max(after_s, PAGE_AFTER_S)
    away = PeerUnavailable | PeerAccessRefused | PeerPage
    return outcomes.retry(said, after_s=after_s, is_attempt=not isinstance(error, away))


def _not_sent(
    step: Step, error: PeerWriteWithheld, result: Processed, *, is_look: bool
) -> Outcome:
    """Come back when writes go out again; the guard's being closed ends the round."""
    name = step.get_kind_display()
    if not isinstance(error, PeerWriteGuarded):
        return _withheld(name, str(error))
    result.is_guarded = True
    text = _("%(step)s: %(error)s") % {"step": name, "error": error}
    if is_look:
        return outcomes.unknown(text, look_after_s=GUARDED_AFTER_S)
    return outcomes.retry(text, after_s=GUARDED_AFTER_S, is_attempt=False)


def _withheld(name: str, what: str) -> Outcome:
    text = _("%(step)s: withheld, OBSERVE_ONLY is on; would be sent: %(what)s")
    return outcomes.retry(
        text % {"step": name, "what": what}, after_s=WITHHELD_AFTER_S, is_attempt=False
    )


def _unclaimed(peer: str) -> StepQuerySet:
    steps = Step.objects.unclaimed(now=database_now()).select_related("order")
    return steps.filter(peer=peer) if peer else steps


def _due(*, now: datetime, peer: str) -> StepQuerySet:
    due = _unclaimed(peer).filter(not_before__lte=now)
    if peer != Step.Peer.KASPI and is_taken(CART_LEASE):
        # Whoever has the cart goes on to the next one when it is done.
        due = due.exclude(kind=Step.Kind.RESERVE, status=Status.PENDING)
    return due


def _next_due(unreachable: set[str], *, peer: str) -> Step | None:
    """Pick what is unknown first, then the order whose deadline is nearest."""
    due = _due(now=database_now(), peer=peer).exclude(peer__in=unreachable)
    nearest = F("order__accept_by").asc(nulls_last=True)
    # "unknown" sorts after "pending"; an order is finished before the next one of
    # the same deadline is begun.
    return due.order_by("-status", nearest, "order_id", "pk").first()
