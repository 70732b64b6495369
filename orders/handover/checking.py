"""Tells whether scanned goods belong into a scanned parcel, and counts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backoffice.formatting import absolute
from orders.handover.labels import (
    Scan,
    codes_of,
    find_parcel,
    find_product,
    plain,
    read_scan,
)
from orders.models import Order, OrderLine, ParcelCheck
from orders.plan.events import record

NAME_SHOWN = 60


class Sound(Enum):
    """What a scan came to; each has its colour and its sound."""

    OPENED = "opened"
    COUNTED = "counted"
    COMPLETE = "complete"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to tell the packer, and the check that is at hand now.

    `aside`: the label that, scanned once more, puts an unfinished parcel aside.
    """

    sound: Sound
    text: str
    check: ParcelCheck | None = None
    aside: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A line of the parcel with what was found of it."""

    line: OrderLine
    found: int

    @property
    def wanted(self) -> int:
        return self.line.quantity or 0

    @property
    def missing(self) -> int:
        return max(self.wanted - self.found, 0)

    @property
    def is_complete(self) -> bool:
        return not self.missing


def counted_lines(check: ParcelCheck) -> list[Counted]:
    """List what the parcel must hold and what was found of it."""
    lines = check.order.lines.select_related("product")
    return [Counted(line=line, found=check.pieces_of(line.pk)) for line in lines]


def scan(
    text: str, *, check_id: int | None, aside: str, actor: str, now: datetime
) -> Verdict:
    """Take a scan: the label of a parcel begins a check, a good is counted.

    Asks nothing of a peer and changes nothing of the order.
    """
    read = read_scan(text)
    with transaction.atomic():
        check = _lock(check_id)
        if read is None:
            return _wrong(_("Nothing was read: scan once more"), check)
        if check is not None and check.checked_by != actor:
            said = _("%(who)s is checking parcel %(code)s now: scan its label again")
            return _wrong(said % {"who": check.checked_by, "code": check.order}, None)
        if check is not None:
            lines = counted_lines(check)
            fitting = [one for one in lines if codes_of(one.line) & _spellings(read)]
            if fitting:
                return _count(check, lines, fitting, read, now=now)
        found = find_parcel(read)
        if found is None:
            return _strange(read, check)
        order, is_replaced = found
        if check is not None and order.pk == check.order_id and not check.is_finished:
            said = _("Parcel %(code)s is open already: scan its goods")
            return Verdict(sound=Sound.OPENED, text=said % {"code": order}, check=check)
        if check is not None and _is_half_done(check) and aside != order.code:
            said = _(
                "Order %(code)s is not complete yet. To put it aside, scan the label "
                "of %(next)s once more."
            )
            figures = {"code": check.order, "next": order}
            return _wrong(said % figures, check, aside=order.code)
        return _open(order, read, is_replaced=is_replaced, actor=actor, now=now)


def begin_anew(check_id: int, *, actor: str, now: datetime) -> ParcelCheck | None:
    """Forget what was counted of an unfinished check."""
    with transaction.atomic():
        check = _lock(check_id)
        if check is not None and not check.is_finished:
            check.counted, check.started_at, check.checked_by = {}, now, actor
            check.save(update_fields=["counted", "started_at", "checked_by"])
    return check


def refusal(order: Order, lines: Sequence[OrderLine], *, now: datetime) -> str:
    """Say why an order's parcel must not leave, or cannot be checked; empty if not."""
    code = {"code": order}
    if order.is_called_off:
        return _("Order %(code)s is cancelled: do not hand it over!") % code
    if order.handed_over_at is not None:
        moment = absolute(order.handed_over_at, now=now)
        said = _("Order %(code)s was handed over already: %(when)s")
        return said % {**code, "when": moment}
    if order.ended_at is not None or order.status in Order.ENDED:
        return _("Order %(code)s has ended already") % code
    if order.status != Order.ACCEPTED:
        return _("Order %(code)s is not accepted yet: do not hand it over") % code
    if not lines or any(line.quantity is None for line in lines):
        said = _("It is not known what belongs into %(code)s: look at the order")
        return said % code
    return ""


def _lock(check_id: int | None) -> ParcelCheck | None:
    if check_id is None:
        return None
    checks = ParcelCheck.objects.select_related("order")
    return checks.select_for_update(of=("self",)).filter(pk=check_id).first()


def _is_half_done(check: ParcelCheck) -> bool:
    return not check.is_finished and check.has_begun


def _spellings(read: Scan) -> set[str]:
    return {plain(code) for code in read.codes}


def _open(
    order: Order, read: Scan, *, is_replaced: bool, actor: str, now: datetime
) -> Verdict:
    lines = list(order.lines.all())
    if trouble := refusal(order, lines, now=now):
        return _wrong(trouble, None)
    if is_replaced:
        said = _(
            "This label of order %(code)s is out of date: the waybill is %(number)s "
            "now. Print it anew."
        )
        figures = {"code": order, "number": order.waybill_number}
        return _wrong(said % figures, None)
    earlier = order.checks.finished().order_by("-pk").first()
    check, is_new = ParcelCheck.objects.select_for_update().get_or_create(
        order=order,
        finished_at=None,
        defaults={"label": read.shown, "checked_by": actor, "started_at": now},
    )
    before = check.checked_by
    if not is_new:
        check.label, check.checked_by = read.shown, actor
        check.started_at, check.counted = now, {}
        check.save()
    check.order = order
    pieces = sum(line.quantity or 0 for line in lines)
    said = ngettext(
        "Parcel %(code)s: %(n)d piece to find",
        "Parcel %(code)s: %(n)d pieces to find",
        pieces,
    )
    text = said % {"code": order, "n": pieces}
    if earlier is not None and earlier.finished_at is not None:
        again = _("It was checked already: %(when)s, %(who)s.")
        moment = absolute(earlier.finished_at, now=now)
        text = f"{text}. {again % {'when': moment, 'who': earlier.checked_by}}"
    elif before != actor:
        text = f"{text}. {_('%(who)s had begun it.') % {'who': before}}"
    return Verdict(sound=Sound.OPENED, text=text, check=check)


def _count(
    check: ParcelCheck,
    lines: list[Counted],
    fitting: list[Counted],
    read: Scan,
    *,
    now: datetime,
) -> Verdict:
    name = _name(fitting[0].line)
    if check.is_finished:
        said = _("Too many: order %(code)s is complete already. Take out: %(name)s")
        return _wrong(said % {"code": check.order, "name": name}, check)
    missing = sum(one.missing for one in fitting)
    if not missing:
        said = _("Too many: all pieces are there already. Take out: %(name)s")
        return _wrong(said % {"name": name}, check)
    if read.pieces > missing:
        said = _("Too many: only %(n)d missing of %(name)s")
        return _wrong(said % {"n": missing, "name": name}, check)
    left = read.pieces
    for one in fitting:
        taken = min(left, one.missing)
        if taken:
            check.counted[str(one.line.pk)] = one.found + taken
            left -= taken
    pieces_left = sum(
        max(one.wanted - check.pieces_of(one.line.pk), 0) for one in lines
    )
    if pieces_left:
        check.save(update_fields=["counted"])
        said = _("%(name)s: right. Still to find: %(n)d")
        text = said % {"name": name, "n": pieces_left}
        return Verdict(sound=Sound.COUNTED, text=text, check=check)
    check.finished_at = now
    check.save(update_fields=["counted", "finished_at"])
    pieces = sum(one.wanted for one in lines)
    said = ngettext(
        "Parcel checked by scanner: %(n)d piece, all right",
        "Parcel checked by scanner: %(n)d pieces, all right",
        pieces,
    )
    record(check.order, said % {"n": pieces}, now=now, actor=check.checked_by)
    done = _("Order %(code)s is complete. Close the parcel and scan the next label.")
    text = done % {"code": check.order}
    return Verdict(sound=Sound.COMPLETE, text=text, check=check)


def _strange(read: Scan, check: ParcelCheck | None) -> Verdict:
    """Answer a scan that is no parcel of ours and no good of the open one."""
    product = find_product(read)
    is_open = check is not None and not check.is_finished
    if product is None:
        said = _("Code %(code)s is neither one of our goods nor a parcel")
        return _wrong(said % {"code": read.shown}, check)
    figures = {"name": product.name[:NAME_SHOWN], "article": product.article}
    if not is_open:
        said = _("Scan the label of a parcel first, then its goods: %(name)s")
        return _wrong(said % figures, check)
    figures["code"] = str(check.order) if check else ""
    said = _("Not for this parcel! %(code)s does not hold: %(name)s (%(article)s)")
    return _wrong(said % figures, check)


def _name(line: OrderLine) -> str:
    name = line.name or (line.product.name if line.product else "") or line.sku
    return name[:NAME_SHOWN]


def _wrong(text: str, check: ParcelCheck | None, *, aside: str = "") -> Verdict:
    return Verdict(sound=Sound.WRONG, text=text, check=check, aside=aside)


def count_checked(*, now: datetime) -> int:
    """Count the parcels that were found right on this day."""
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0)
    return ParcelCheck.objects.filter(finished_at__gte=midnight).count()
