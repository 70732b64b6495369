"""Settles a purchase whose submit was not clearly answered: by evidence only.

The cart is the witness: what was put in once can become at most one order. "Absent from
a list" is never proof, so nothing is bought again for want of an order in a list. Nor
is it where one may be ours: a manager can have put in just what we had.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from django.db.models import F
from django.utils.translation import gettext as _

from catalog.alstyle.cart import CartClient
from catalog.alstyle.client import PEER_NAME
from catalog.alstyle.trade import SupplierOrderRow
from orders.models import LearnedFact, Order, Purchase, pieces_in
from orders.models.step import Candidate
from orders.plan.claims import Claim
from orders.supply.cart import are_same_rows, foreign_rows, pieces
from orders.supply.evidence import reread_evidence
from orders.supply.learning import learn, learned, learned_seconds, placed_at
from orders.supply.listing import SupplierLists, unlisted
from plumbing.clocks import time_at
from plumbing.leases import database_now
from plumbing.peers import PeerError, PeerUnavailable

Name = LearnedFact.Name
# Two submits never work at once: a lost one is over so long after it left.
SUBMIT_IS_OVER = timedelta(seconds=60)
# Unclear ones in a row; then the cart is left to others, and it begins anew.
MOST_SUBMITS = 3
# Until it is known how fast new orders are listed: other people's may show before ours.
LISTED_BY = timedelta(minutes=25)
# Then a person is told, whatever the evidence.
AGE_LIMIT = timedelta(minutes=45)
LOOK_AGAIN_AFTER_S = 45
# Once nobody waits for the cart: a look may read many pages.
SEEK_AGAIN_AFTER_S = 120
# How far the supplier's clock may be off once its zone is known.
SKEW = timedelta(minutes=20)

What = Literal["made", "submit_again", "not_bought", "wait", "person"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What the evidence says of a purchase, and why."""

    what: What
    text: str
    number: str = ""
    sum_kzt: int | None = None
    candidates: tuple[Candidate, ...] = ()
    look_after_s: float = LOOK_AGAIN_AFTER_S
    # Ours would be listed by now, and no order there can be it.
    is_none_listed: bool = False
    # Its rows stand in the cart as they did before the submit, by their marks.
    has_same_rows: bool = False

    @property
    def are_rows_ours(self) -> bool:
        """Tell whether rows like ours in the cart cannot be a manager's."""
        return self.is_none_listed or self.has_same_rows


def settle(purchase: Purchase, cart: CartClient, claim: Claim) -> Settlement:
    """Look at the cart and the supplier's orders; decides nothing beyond evidence."""
    if purchase.number:
        text = _("Al-Style answered with order %(number)s")
        return Settlement(
            what="made", text=text % {"number": purchase.number}, number=purchase.number
        )
    reread_evidence(purchase)
    empties, now = learned(Name.SUBMIT_EMPTIES), database_now()
    if purchase.cleared_at is not None and purchase.submits:
        # What is in the cart by now is others'.
        Purchase.objects.filter(pk=purchase.pk).update(looks=F("looks") + 1)
        was_whole = purchase.was_seen_whole(apart=SUBMIT_IS_OVER)
        if empties == "yes" and was_whole and purchase.was_there_last:
            text = _("Submit empties the cart, and it still held our goods after it")
            verdict = Settlement(what="not_bought", text=text)
            return _unless_listed(purchase, cart, claim, verdict, now=now)
        return _by_lists(purchase, cart, claim, now=now, is_there=False)
    rows = cart.get()
    # The turn at the supplier's clock may have been long in coming.
    reread_evidence(purchase)
    now = database_now()
    _note_cart(purchase, pieces(rows), now=now)
    is_whole = pieces(rows) == purchase.quantities
    if not purchase.submits:
        return Settlement(what="not_bought", text=_("Nothing was ordered yet"))
    is_there = bool(rows) and purchase.is_within(pieces(rows))
    is_witness = is_there and purchase.was_seen_whole(apart=SUBMIT_IS_OVER)
    # Gone since, ours may have been ordered by whoever is at the portal.
    if empties == "yes" and is_witness:
        text = _("The cart still holds our goods: nothing was bought")
        what: What = "not_bought"
        if is_whole and len(purchase.submits) < MOST_SUBMITS:
            what = "submit_again"
        elif len(purchase.submits) >= MOST_SUBMITS:
            text = _("The cart still holds our goods after %(number)s submits")
            text %= {"number": len(purchase.submits)}
        verdict = Settlement(what=what, text=text)
        return _unless_listed(purchase, cart, claim, verdict, now=now)
    if is_whole and empties == "yes" and purchase.was_always_there:
        text = _("The cart still holds our goods: waiting until the lost call is over")
        return Settlement(
            what="wait", text=text, look_after_s=_until_over(purchase, now)
        )
    if is_there and not is_whole and empties == "yes":
        text = _("Our goods are in the cart with somebody's: %(goods)s")
        foreign = foreign_rows(rows, purchase.quantities)
        figures = {"goods": ", ".join(f"{a} × {n}" for a, n in foreign.items())}
        return _wait_or_person(purchase, text % figures, (), now=now)
    found = _by_lists(purchase, cart, claim, now=now, is_there=is_there)
    is_same = is_there and are_same_rows(purchase, rows)
    return replace(found, has_same_rows=is_same)


def _note_cart(purchase: Purchase, rows: dict[str, int], *, now: datetime) -> None:
    purchase.cart_since = [*purchase.cart_since, {"at": now.isoformat(), "rows": rows}]
    purchase.looks += 1
    purchase.save(update_fields=["cart_since", "looks"])


def _until_over(purchase: Purchase, now: datetime) -> float:
    left = purchase.last_submit_left_by or now
    return max((left + SUBMIT_IS_OVER - now).total_seconds() + 1, 5)


def _unless_listed(
    purchase: Purchase,
    cart: CartClient,
    claim: Claim,
    verdict: Settlement,
    *,
    now: datetime,
) -> Settlement:
    """Give what the cart says, if no order in the lists can be ours.

    Where ours were ordered, a manager may have put in the same between two readings, or
    the supplier keeps carts by now: whatever the rows' marks, nothing is sent again.
    """
    found = _by_lists(purchase, cart, claim, now=now, is_there=True)
    return verdict if found.is_none_listed else found


def _by_lists(
    purchase: Purchase,
    cart: CartClient,
    claim: Claim,
    *,
    now: datetime,
    is_there: bool,
) -> Settlement:
    try:
        found = _search(purchase, cart, claim, is_there=is_there)
    except PeerUnavailable:
        raise
    except PeerError as error:
        # An unreadable list says nothing; the age limit goes on.
        return _wait_or_person(purchase, str(error), (), now=now)
    if found.ours is not None:
        text = _("Found at Al-Style: order %(number)s is this one's")
        return Settlement(
            what="made",
            text=text % {"number": found.ours.order_id},
            number=found.ours.order_id,
            sum_kzt=found.ours.sum_kzt,
        )
    text = (
        _("It cannot be told which order at Al-Style is this one's")
        if found.candidates
        else _("Its order is not listed at Al-Style")
    )
    said = _wait_or_person(purchase, text, found.candidates, now=now)
    return replace(said, is_none_listed=found.is_none_listed)


def _wait_or_person(
    purchase: Purchase, text: str, candidates: tuple[Candidate, ...], *, now: datetime
) -> Settlement:
    sent = purchase.last_submit_at or purchase.created_at
    if now - sent < AGE_LIMIT:
        is_urgent = purchase.status != Purchase.Status.SOUGHT
        after_s = LOOK_AGAIN_AFTER_S if is_urgent else SEEK_AGAIN_AFTER_S
        return Settlement(
            what="wait", text=text, candidates=candidates, look_after_s=after_s
        )
    return Settlement(what="person", text=text, candidates=candidates)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    ours: SupplierOrderRow | None
    candidates: tuple[Candidate, ...]
    is_none_listed: bool = False


def _search(
    purchase: Purchase, cart: CartClient, claim: Claim, *, is_there: bool
) -> _Found:
    """Find the order that fits; `ours` only when the evidence leaves no other."""
    sent = purchase.first_submit_at or purchase.created_at
    lists = SupplierLists(cart, claim)
    # Under another number in the lists, one of our own would look like nobody's.
    since = sent - timedelta(days=1)
    lists.learn_listed_numbers(since=since)
    # Where none can be read by the number answered, an own one may be what fits.
    twins = any(ours.placed_at >= since for ours in unlisted(purchase.quantities))
    unowned = lists.unowned(not_before=sent)
    shows = learned(Name.REFERENCE_SHOWN)
    named: list[SupplierOrderRow] = []
    fitting: list[SupplierOrderRow] = []
    alike: list[SupplierOrderRow] = []
    unread = 0
    # The likely ones first: a look reads so many and no more.
    for listed in sorted(unowned, key=lambda row: _sum_apart(row, purchase) != 0):
        if listed.order_id in purchase.ruled_out:
            continue
        row = lists.read(listed.order_id)
        if row is None:
            unread += _sum_apart(listed, purchase) >= 0
        elif purchase.codes <= set(row.words.split()):
            named.append(row)
        elif not (set(pieces_in(row.lines)) & set(purchase.quantities)):
            purchase.ruled_out = [*purchase.ruled_out, listed.order_id]
        elif _fits(row, purchase) and shows != "yes" and not row.words.strip():
            fitting.append(row)
        else:
            alike.append(row)
    purchase.save(update_fields=["ruled_out"])
    if len(named) == 1 and pieces_in(named[0].lines) == purchase.quantities:
        evidence = f"{purchase}, {named[0].order_id}"
        learn(Name.REFERENCE_SHOWN, "yes", evidence=evidence, now=database_now())
        return _Found(ours=named[0], candidates=())
    candidates = tuple(candidate_of(row) for row in (*named, *fitting, *alike))
    # Goods still in the cart, a manager's among them or not, may mean that nothing was
    # bought; then somebody else's order, equal in all we can see, must not be taken for
    # ours.
    is_there = is_there or purchase.was_seen_late(apart=SUBMIT_IS_OVER)
    # Nor where ours may be another one, with goods that went along.
    grown = shows != "yes" and any(_may_have_grown(row, purchase) for row in alike)
    may_be_ours = named or fitting or unread or grown
    may_be_another = named or unread or grown or twins
    is_clear = len(fitting) == 1 and not (may_be_another or is_there)
    is_listed = _are_all_listed(purchase)
    if is_clear and is_listed:
        return _Found(ours=fitting[0], candidates=())
    is_none_listed = is_listed and not may_be_ours
    return _Found(ours=None, candidates=candidates, is_none_listed=is_none_listed)


def _are_all_listed(purchase: Purchase) -> bool:
    """Tell whether ours would surely be in the lists by now, were it another one."""
    left = purchase.last_submit_left_by
    return left is not None and database_now() - left > listed_within()


def listed_within() -> timedelta:
    """Say how long after a submit has left its order surely stands in the lists."""
    slowest_s = learned_seconds(Name.LISTED_AFTER_S)
    if slowest_s is None:
        return LISTED_BY
    return min(LISTED_BY, SUBMIT_IS_OVER + timedelta(seconds=2 * slowest_s))


def _fits(row: SupplierOrderRow, purchase: Purchase) -> bool:
    if pieces_in(row.lines) != purchase.quantities:
        return False
    if None not in (row.sum_kzt, purchase.sum_kzt) and row.sum_kzt != purchase.sum_kzt:
        return False
    return _is_in_time(row, purchase)


def _may_have_grown(row: SupplierOrderRow, purchase: Purchase) -> bool:
    """Tell whether it may be ours with a manager's goods: nothing says otherwise."""
    is_larger = purchase.is_within(pieces_in(row.lines))
    return is_larger and not row.words.strip() and _is_in_time(row, purchase)


def _is_in_time(row: SupplierOrderRow, purchase: Purchase) -> bool:
    """Tell whether one of our submits can have made it, as far as dates tell."""
    made, first, last = (
        placed_at(row),
        purchase.first_submit_at,
        purchase.last_submit_at,
    )
    if made is None or first is None or last is None:
        return True
    # Theirs is dated by their clock.
    first, last = (time_at(PEER_NAME, now=sent) for sent in (first, last))
    earliest = first.replace(tzinfo=None) - SKEW
    return earliest <= made <= last.replace(tzinfo=None) + SKEW


def _sum_apart(row: SupplierOrderRow, purchase: Purchase) -> int:
    """Tell by how much a list shows more than ours costs; 0 too where it shows none.

    Under ours, our goods cannot all be in it.
    """
    if row.sum_kzt is None or purchase.sum_kzt is None:
        return 0
    is_named = purchase.codes <= set(row.words.split())
    return 0 if is_named else row.sum_kzt - purchase.sum_kzt


def candidate_of(row: SupplierOrderRow) -> Candidate:
    """Give an order at Al-Style as staff are shown it."""
    return {
        "id": row.order_id,
        "sum": row.sum_kzt,
        "placed_at": row.date_text or None,
        "lines": [list(line) for line in row.lines or ()],
    }


def owners_of(purchase: Purchase) -> list[Order]:
    """Give the orders that a purchase is for."""
    return [
        reservation.order
        for reservation in purchase.reservations.select_related("order").order_by("pk")
    ]
