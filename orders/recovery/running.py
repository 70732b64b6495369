"""Reconciles a database that lacks a part of its life, then lets writes go out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from orders.clients import Clients
from orders.models import (
    LearnedFact,
    Order,
    ReadMark,
    Reservation,
    Step,
    supplied_quantity,
)
from orders.models.step import CLAIM_S
from orders.recovery.adopting import Adopter
from orders.recovery.books import Books, read_kaspi, read_supplier
from orders.recovery.matching import Bought, Matched, Want, match
from orders.supply.learning import learned
from orders.supply.settling import LISTED_BY, listed_within
from orders.supply.wanted import wanted_lines
from plumbing import epoch
from plumbing.leases import LeaseHandle, database_now, under_lease
from plumbing.models import Epoch

LEASE = "recover"
AGAIN_AFTER = timedelta(minutes=3)
# A listed order that is still not shown then holds up nobody any more.
UNREAD_FOR = timedelta(hours=1)
# A bridge that bought so lately may still be at work elsewhere.
OF_LATE = timedelta(days=3)
# How far Kaspi's clock may be off when it says when an order came.
CLOCKS_DIFFER = timedelta(minutes=5)
# The guard is looked at within seconds of a start, a reading may be first.
READ_BEFORE_A_LOOK = timedelta(minutes=10)
# Called off so lately, what was bought for it may still be held.
CALLED_OFF_WITHIN = timedelta(days=30)


@dataclass(slots=True, kw_only=True)
class Recovered:
    """What one run came to. `waits_for`: why writes do not go out yet."""

    adopted: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    free: list[str] = field(default_factory=list)
    read: str = ""
    waits_for: list[str] = field(default_factory=list)
    is_lifted: bool = False
    # Somebody buys, or bought lately, for the same orders: it may be at it still.
    needs_word: bool = False

    @property
    def summary(self) -> str:
        text = _(
            "%(adopted)s found at Al-Style, %(doubtful)s wait for a person, %(free)s "
            "surely not bought"
        )
        figures = {
            "adopted": len(self.adopted),
            "doubtful": len(self.doubtful),
            "free": len(self.free),
        }
        return "; ".join(filter(None, [text % figures, self.read, *self.waits_for]))

    @property
    def lines(self) -> list[str]:
        return [*self.adopted, *self.doubtful, *self.free]


def recover(*, now: datetime, dry_run: bool = False) -> Recovered | None:
    """Read both peers' books, match them with our orders, write down what is proven.

    None when nothing is to be reconciled. `dry_run`: what Kaspi says is stored, as by
    any reading; nothing else is written. Raises `LeaseTaken`, `PeerError`.
    """
    epoch.is_guarded()
    guard = Epoch.objects.exclude(guarded_for="").first()
    if guard is None:
        return None
    result = Recovered()
    if guard.needs_word:
        _ask_for_word(result)
        if not dry_run:
            return _note(guard, result)
    with under_lease(LEASE) as lease, Clients() as clients:
        found = _read_books(guard, clients, lease, result, now=now, dry_run=dry_run)
        result.waits_for += _not_yet(guard, found, now=database_now())
        _tell(result, found.matched)
        lease.confirm()
        if not dry_run and not result.waits_for:
            _write(found)
            result.is_lifted = epoch.lift(by=guard.confirmed_by or "bridge")
    return result if dry_run else _note(guard, result)


def _ask_for_word(result: Recovered) -> None:
    result.needs_word = True
    result.waits_for.append(
        _("a person says that no other bridge works with these accounts")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What both books say. `gone`: called-off orders whose goods may be held.

    `held`: those of them called off in the time that was lost, with their goods.
    """

    books: Books
    matched: Matched
    gone: list[Order]
    held: list[tuple[Order, Want]]


def _read_books(
    guard: Epoch,
    clients: Clients,
    lease: LeaseHandle,
    result: Recovered,
    *,
    now: datetime,
    dry_run: bool,
) -> _Found:
    is_empty = _knows_nothing(guard)
    kaspi = read_kaspi(clients.kaspi, lease, now=now, takes_in_all=is_empty)
    result.read = kaspi.summary
    if kaspi.failures:
        result.waits_for.append(_("Kaspi's orders are read whole"))
    if is_empty and not dry_run:
        _want_goods_of(_bare_orders())
    wants = list(wants_of_orders(guard))
    gone = called_off()
    accepted = list(_bare_orders()) if _is_beginning(guard) else []
    codes = {order.code for order in (*gone, *accepted)}
    held = list(_called_off_meanwhile(gone, guard))
    sought = [*wants, *(want for _order, want in held)]
    books = read_supplier(clients, lease, wants=sought, codes=codes, now=now)
    if accepted and not dry_run:
        _want_goods_of(o for o in accepted if _is_named(o, books))
        wants = list(wants_of_orders(guard))
    named = learned(LearnedFact.Name.REFERENCE_SHOWN) == "yes"
    # With one of them unread, only a reference proves anything.
    matched = match(wants, books.bought, named=named or bool(books.failures))
    if _is_beginning(guard):
        _trust_first_start(matched, books)
        is_at_work = any(_is_of_late(f.bought, now=now) for f in matched.matches)
        if is_at_work and guard.confirmed_at is None:
            _ask_for_word(result)
    return _Found(books=books, matched=matched, gone=gone, held=held)


def recover_when_due(*, now: datetime) -> Recovered | None:
    """Recover, unless the last run was a moment ago: each reads all of the books."""
    guard = Epoch.objects.exclude(guarded_for="").first()
    last = guard.progress.get("at") if guard is not None else None
    if last and now - datetime.fromisoformat(last) < AGAIN_AFTER:
        return None
    return recover(now=now)


def wants_of_orders(guard: Epoch) -> Iterator[Want]:
    """Give each order of whose goods nobody knows whether they are bought."""
    until = last_moment(guard) + CLOCKS_DIFFER
    wanted = Reservation.objects.wanted().select_related("order")
    for reservation in wanted.order_by("pk"):
        order, lines = reservation.order, wanted_lines(reservation)
        costs = [None if cost is None else cost * n for _a, n, cost in lines]
        has_all = bool(costs) and None not in costs
        is_begun = reservation.purchases.exclude(status="given_up").exists()
        yield Want(
            pk=reservation.pk,
            code=order.code,
            pieces={article: n for article, n, _cost in lines},
            cost_kzt=sum(filter(None, costs)) if has_all else None,
            created_at=order.created_at,
            was_promised=order.status in (Order.ACCEPTED, Order.COMPLETED),
            is_young=order.created_at > until and not is_begun,
        )


def _bare_orders() -> Iterator[Order]:
    """Give the accepted orders of whose goods nothing is known here.

    Taken for orders from before the bridge, they would be taken care of already.
    """
    bare = Order.objects.open().filter(
        status=Order.ACCEPTED, handed_over_at=None, reservations=None
    )
    yield from bare.prefetch_related("lines")


def _want_goods_of(orders: Iterable[Order]) -> None:
    for order in orders:
        with transaction.atomic():
            now = database_now()
            reservation = Reservation.objects.create(order=order, created_at=now)
            reservation.want(order.lines.all())


def _is_beginning(guard: Epoch) -> bool:
    return guard.guarded_for == Epoch.Reason.BEGINNING


def _is_named(order: Order, books: Books) -> bool:
    """Tell whether an earlier bridge has bought for the order, by its code."""
    return any(order.code in row.words for row in books.bought)


def _is_of_late(row: Bought, *, now: datetime) -> bool:
    return row.made_at is None or now - row.made_at < OF_LATE


def _trust_first_start(matched: Matched, books: Books) -> None:
    """Ask a person only where something at the supplier may be an order's.

    Whoever begins is not asked about orders that nobody can have bought for.
    """
    asked = []
    for want, candidates in matched.doubtful:
        if candidates and books.has_recent:
            asked.append((want, candidates))
        else:
            matched.free.append(want)
    matched.doubtful = asked


def _knows_nothing(guard: Epoch) -> bool:
    """Tell whether the database had read no orders when it was guarded."""
    if guard.guarded_for not in (Epoch.Reason.EMPTIED, Epoch.Reason.RESTORED):
        return False
    first, closed = ReadMark.objects.first_read_at(), guard.guarded_at
    return first is None or closed is None or first > closed - READ_BEFORE_A_LOOK


def last_moment(guard: Epoch) -> datetime:
    """Say until when something may have been bought that the database does not know."""
    moment = guard.known_until or guard.confirmed_at or guard.guarded_at
    return moment or database_now()


def called_off() -> list[Order]:
    """List the orders without goods here for which goods may still be held there."""
    lately = database_now() - CALLED_OFF_WITHIN
    over = Order.objects.filter(status__in=Order.CALLED_OFF, created_at__gte=lately)
    kept = Reservation.objects.exclude(status=Reservation.Status.DROPPED)
    return list(over.exclude(reservations__in=kept).order_by("pk"))


def _called_off_meanwhile(
    gone: Iterable[Order], guard: Epoch
) -> Iterator[tuple[Order, Want]]:
    """Give those called off in the time that the database lacks, with their goods."""
    for order in gone:
        since = (guard.guarded_at or order.first_seen) - READ_BEFORE_A_LOOK
        if order.ended_at is not None and order.ended_at < since:
            continue
        pieces: dict[str, int] = {}
        cost = 0
        for line in order.lines.select_related("product"):
            if line.product is not None and line.quantity:
                number = supplied_quantity(line.quantity, line.product.multiplicity)
                article = line.product.article
                pieces[article] = pieces.get(article, 0) + number
                cost += number * (line.product.cost_kzt or 0)
        want = Want(
            pk=0,
            code=order.code,
            pieces=pieces,
            cost_kzt=cost or None,
            created_at=order.created_at,
            was_promised=False,
        )
        yield order, want


def _not_yet(guard: Epoch, found: _Found, *, now: datetime) -> Iterable[str]:
    """Say what keeps the reading from being the last one."""
    books, matched = found.books, found.matched
    since = guard.confirmed_at or guard.guarded_at or now
    if books.failures and now - since < UNREAD_FOR:
        yield _("each order at Al-Style is read")
    if Step.objects.filter(status=Step.Status.IN_FLIGHT).exists():
        yield _("what a lost worker had begun is looked at")
    # A worker that was lost may have waited for its turn as long as its claim.
    wait = min(LISTED_BY, timedelta(seconds=CLAIM_S) + listed_within())
    # What was bought last may not be listed yet; with nobody ordering, nothing was.
    is_open = bool(matched.doubtful) or (
        _is_beginning(guard) and books.has_recent and bool(matched.free)
    )
    if is_open and now < last_moment(guard) + wait:
        yield _("Al-Style lists what was bought last")


def _tell(result: Recovered, matched: Matched) -> None:
    for found in matched.matches:
        codes = ", ".join(want.code for want in found.wants)
        text = _("%(codes)s: bought, Al-Style's order %(number)s")
        figures = {"codes": codes, "number": found.bought.number}
        result.adopted.append(text % figures)
    for want, candidates in matched.doubtful:
        numbers = ", ".join(row.number for row in candidates) or "—"
        text = _("%(code)s: a person decides; it may be %(numbers)s")
        result.doubtful.append(text % {"code": want.code, "numbers": numbers})
    text = _("%(code)s: surely not bought")
    result.free += [text % {"code": want.code} for want in matched.free]


def _write(found: _Found) -> None:
    """Write down what is proven, and ask about the rest."""
    adopter = Adopter(rows=found.books.rows)
    taken = {pair.bought.number for pair in found.matched.matches}
    left = [row for row in found.books.bought if row.number not in taken]
    for pair in found.matched.matches:
        adopter.adopt(pair)
    for order in found.gone:
        adopter.let_go(order, found.books.bought)
    for order, want in found.held:
        adopter.tell_held(order, want, left)
    for want, candidates in found.matched.doubtful:
        adopter.ask(want, candidates)


def _note(guard: Epoch, result: Recovered) -> Recovered:
    """Keep for the page what the run came to."""
    Epoch.objects.filter(pk=guard.pk).update(
        progress={
            "at": database_now().isoformat(),
            "summary": result.summary,
            "lines": result.lines,
            "needs_word": result.needs_word,
        }
    )
    return result
