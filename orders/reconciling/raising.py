"""Keeps the findings: raises what is new, settles by itself what no longer holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from orders.models import Cause, Finding, Order, OrderEvent, Reason, Step
from orders.models.finding import FindingQuerySet
from orders.plan.events import BRIDGE, record
from orders.plan.transitions import move_step
from orders.plan.wanting import want_step
from orders.reconciling.contradictions import Contradiction

Status = Finding.Status


@dataclass(slots=True, kw_only=True)
class Reconciled:
    """What one run saw. `lines`: one for each contradiction that stands.

    `texts`: what of it is to be told on an order. `failures`: what could not be read.
    """

    lines: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    raised: int = 0
    settled: int = 0
    healed: int = 0

    @property
    def summary(self) -> str:
        counts = (
            f"{len(self.lines)} contradictions, {self.raised} new, "
            f"{self.settled} settled, {self.healed} put right"
        )
        return "; ".join([counts, *self.failures])

    def tell(self, found: Iterable[Contradiction]) -> None:
        for one in found:
            self.lines.append(f"{one.subject}: {one.kind}: {one.text}")
            self.texts += [one.text] if one.stands else []


class FindingClosed(Exception):
    """The finding is not open any more: look again."""


def not_accepted(found: Iterable[Contradiction]) -> list[Contradiction]:
    """Leave out what a person has called right, as long as it rests on the same."""
    found = list({(x.kind, x.subject): x for x in found}.values())
    seen = Finding.objects.filter(
        status=Status.ACCEPTED, subject__in=[x.subject for x in found]
    )
    accepted: dict[tuple[str, str], list[Finding]] = {}
    for finding in seen:
        accepted.setdefault((finding.kind, finding.subject), []).append(finding)
    return [
        x
        for x in found
        if not any(
            finding.rests_on(_plain(x.facts))
            for finding in accepted.get((x.kind, x.subject), [])
        )
    ]


def keep(
    found: Sequence[Contradiction],
    *,
    among: FindingQuerySet,
    now: datetime,
    result: Reconciled,
) -> None:
    """Bring the open findings of `among` in line with what was found.

    What was dropped by a person on its order is called right by that.
    """
    with transaction.atomic():
        was_open = {
            (x.kind, x.subject): x
            for x in among.open()
            .select_related("order", "step")
            .select_for_update(of=("self",))
        }
        for finding in was_open.values():
            _take_in_drop(finding, now=now)
        found = not_accepted(found)
        result.tell(found)
        for one in found:
            known = was_open.pop((one.kind, one.subject), None)
            if known is not None and known.is_open:
                _refresh(known, one, now=now)
            else:
                known = _raise(one, now=now)
                result.raised += 1
            if one.stands and known.order is not None:
                _stand_on_order(known, now=now)
        for finding in was_open.values():
            if finding.is_open:
                settle(finding, now=now)
                result.settled += 1


def settle(finding: Finding, *, now: datetime) -> None:
    """Close a finding that no longer holds."""
    text = _("Settled by itself: %(text)s")
    _close(finding, Status.SETTLED, text=text, now=now, actor=BRIDGE, note="")


def accept(finding: Finding, *, note: str, actor: str, now: datetime) -> None:
    """Note that a person has seen it and it is right so.

    Raises `FindingClosed`. It is raised again when it rests on something else.
    """
    with transaction.atomic():
        open_ = Finding.objects.open().select_for_update().filter(pk=finding.pk).first()
        if open_ is None:
            raise FindingClosed
        text = _("Seen, it is right so: %(text)s")
        _close(open_, Status.ACCEPTED, text=text, now=now, actor=actor, note=note)


def _close(
    finding: Finding,
    to: Finding.Status,
    *,
    text: str,
    now: datetime,
    actor: str,
    note: str,
) -> None:
    finding.status, finding.closed_at = to, now
    finding.closed_by, finding.note = actor, note
    finding.save(update_fields=["status", "closed_at", "closed_by", "note"])
    if finding.order is None:
        return
    told = text % {"text": finding.text} + (f" ({note})" if note else "")
    record(finding.order, told, now=now, actor=actor)
    _leave_order(finding, now=now, actor=actor)


def _raise(one: Contradiction, *, now: datetime) -> Finding:
    finding = Finding.objects.create(
        kind=one.kind,
        subject=one.subject,
        text=one.text,
        facts=_plain(one.facts),
        order=one.order,
        purchase=one.purchase,
        raised_at=now,
        seen_at=now,
    )
    if one.order is not None:
        record(one.order, one.text, now=now)
    return finding


def _refresh(finding: Finding, one: Contradiction, *, now: datetime) -> None:
    facts = _plain(one.facts)
    if not finding.rests_on(facts):
        step = finding.step
        if step is not None and step.status == Step.Status.NEEDS_PERSON:
            said = step.last_error.split("\n")
            _say(step, [one.text if x == finding.text else x for x in said])
        finding.facts, finding.text = facts, one.text
        if finding.order is not None:
            record(finding.order, one.text, now=now)
    finding.seen_at = now
    finding.save(update_fields=["facts", "text", "seen_at"])


def _take_in_drop(finding: Finding, *, now: datetime) -> None:
    """Whoever drops the step on the order has seen to it: that is an answer."""
    step = finding.step
    if step is None or not step.is_dropped:
        return
    dropped = OrderEvent.objects.filter(step=step).exclude(actor=BRIDGE).last()
    if dropped is None or dropped.happened_at < finding.raised_at:
        return
    finding.status, finding.closed_at = Status.ACCEPTED, now
    finding.closed_by, finding.note = dropped.actor, dropped.text
    finding.save(update_fields=["status", "closed_at", "closed_by", "note"])


def _stand_on_order(finding: Finding, *, now: datetime) -> None:
    """Let the order say it, in a step that needs a person: one for all findings."""
    order: Order = finding.order  # type: ignore[assignment]
    check = order.steps.of_kind(Step.Kind.CHECK).open().first()
    if check is None:
        cause = Cause(Reason(finding.kind), finding.text)
        check = want_step(order, Step.Kind.CHECK, now=now, needs_person=cause)
    elif check.status == Step.Status.NEEDS_PERSON:
        said = check.last_error.split("\n")
        if finding.text not in said:
            _say(check, [*filter(None, said), finding.text])
    if check is not None and finding.step_id != check.pk:
        finding.step = check
        finding.save(update_fields=["step"])


def _leave_order(finding: Finding, *, now: datetime, actor: str) -> None:
    """Take its words off the order's step; one that says nothing more is dropped."""
    if finding.step_id is None:
        return
    step = Step.objects.select_related("order").get(pk=finding.step_id)
    if step.status != Step.Status.NEEDS_PERSON:
        return
    left = [text for text in step.last_error.split("\n") if text != finding.text]
    if left:
        _say(step, left)
        others = Finding.objects.open().filter(step=step)
        if other := others.exclude(pk=finding.pk).first():
            Step.objects.filter(pk=step.pk).update(reason=other.kind)
    else:
        text = _("%(step)s: nothing contradicts any more")
        figures = {"step": step.get_kind_display()}
        move_step(step, Step.Status.SKIPPED, text=text % figures, now=now, actor=actor)


def _say(step: Step, texts: Sequence[str]) -> None:
    waiting = Step.objects.filter(pk=step.pk, status=Step.Status.NEEDS_PERSON)
    waiting.update(last_error="\n".join(texts))
    step.last_error = "\n".join(texts)


def _plain(facts: Any) -> Any:
    """Give facts as the database gives them back."""
    return json.loads(json.dumps(facts))
