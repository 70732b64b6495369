"""Buys: a purchase from its first look into the cart to the order it made.

Every call goes out under the cart's lease, after what it means is committed, so that
whoever comes after us, if we die in it, knows what may have happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from catalog.alstyle.cart import CartClient, Submission
from catalog.alstyle.trade import CartRow
from orders.models import (
    LearnedFact,
    Purchase,
    Reason,
    Reservation,
    SupplierOrder,
)
from orders.models.purchase import CartSeen
from orders.models.step import Candidate
from orders.plan.claims import Claim
from orders.plan.transitions import move_purchase
from orders.supply.cart import (
    CartOccupied,
    GoodsRefused,
    checked_sum,
    has_moment,
    is_other_row,
    is_same_row,
    pieces,
    refuse_foreign,
)
from orders.supply.learning import learn, learned
from orders.supply.supervision import is_supervised
from orders.supply.wanted import joint_lines
from plumbing.leases import database_now
from plumbing.peers import (
    PeerAccessRefused,
    PeerError,
    PeerOutcomeUnknown,
    PeerProtocolError,
    PeerRefused,
    PeerUnavailable,
    PeerWriteWithheld,
)

Name, Status = LearnedFact.Name, Purchase.Status
# An own check of the cart younger than this saves the next purchase its first look.
CHECK_IS_FRESH = timedelta(seconds=15)


class CartTaken(Exception):
    """Another purchase is not settled yet: nothing may be put into the cart."""


class NotCleared(Exception):
    """Our rows cannot be taken out without touching somebody else's."""

    reason = Reason.MIXED_CART


def open_purchase(reservations: Sequence[Reservation]) -> Purchase:
    """Begin a purchase for one or several reservations.

    Raises `CartTaken` while another one has the cart, one has begun for the same
    reservation, or one may have bought the same goods and its order is not known: two
    such orders could not be told apart.
    """
    lines = joint_lines(reservations)
    try:
        with transaction.atomic():
            purchase = Purchase.objects.create(
                reference=" ".join(r.order.code for r in reservations),
                lines=[list(line) for line in lines],
                created_at=database_now(),
            )
            # After the row is ours: whoever had the cart before has committed by now.
            begun = Purchase.objects.filter(status__in=Purchase.BUYING)
            if mine := begun.filter(reservations__in=reservations).first():
                text = _("Purchase %(purchase)s has begun for this order already")
                raise CartTaken(text % {"purchase": mine})
            _refuse_doubtful(article for article, _number, _cost in lines)
            purchase.reservations.set(reservations)
    except IntegrityError:
        taken = Purchase.objects.filter(status__in=Purchase.HAS_CART).first()
        if taken is not None and taken.paused_at is not None:
            text = _(
                "Purchase %(purchase)s is watched over by a person and waits for "
                "their word: only one goes on at a time"
            )
            raise CartTaken(text % {"purchase": taken}) from None
        text = _("Purchase %(purchase)s is not settled yet: waiting")
        raise CartTaken(text % {"purchase": taken or "—"}) from None
    return purchase


def articles_in_doubt() -> dict[str, Purchase]:
    """Map articles to a purchase of them whose order nobody knows."""
    doubtful = Purchase.objects.filter(status__in=Purchase.IN_DOUBT)
    return {article: other for other in doubtful for article in other.quantities}


def _refuse_doubtful(articles: Iterable[str]) -> None:
    doubtful = articles_in_doubt()
    for other in (doubtful[article] for article in articles if article in doubtful):
        text = _("The order of purchase %(purchase)s of the same goods is looked for")
        if other.status == Status.NEEDS_PERSON:
            text = _("Purchase %(purchase)s of the same goods waits for a person")
        raise CartTaken(text % {"purchase": other})


def look_before(
    purchase: Purchase, cart: CartClient, claim: Claim
) -> Sequence[CartRow]:
    """See that the cart is empty; left out when our own last look is young enough.

    Raises `CartOccupied`, having touched nothing and given the purchase up.
    """
    if _is_known_empty() and not is_supervised():
        return ()
    rows = cart.get()
    last = Purchase.objects.filter(status=Status.MADE).first()
    if last is not None and _is_left_of(last, rows):
        # Of a worker that died between the answer and tidying up.
        take_out(last, cart, claim, rows)
        note_cleared(last)
        rows = cart.get()
    elif last is not None and last.cleared_at is None:
        _note_touched(last, rows)
    purchase.cart_before = pieces(rows)
    purchase.save(update_fields=["cart_before"])
    try:
        refuse_foreign(rows, {})
    except CartOccupied as error:
        give_up(purchase, reason=str(error))
        raise
    return rows


def add(purchase: Purchase, cart: CartClient, claim: Claim) -> PeerError | None:
    """Put the lines into the empty cart; gives the doubt whether they arrived.

    A refused `add` raises nothing: the cart itself tells what is in it.
    """
    claim.renew()
    move_purchase(purchase, Status.FILLING, now=database_now())
    try:
        cart.add([(article, quantity) for article, quantity, _c in purchase.lines])
    except PeerAccessRefused:
        raise
    except PeerOutcomeUnknown as error:
        return error
    except (PeerUnavailable, PeerWriteWithheld):
        move_purchase(purchase, Status.OPENED, now=database_now())
        raise
    except PeerRefused as error:
        learn(
            Name.REFUSAL_WORDS,
            str(error)[:200],
            evidence=f"add, {purchase}",
            now=database_now(),
        )
    return None


def look_after(purchase: Purchase, cart: CartClient) -> Sequence[CartRow]:
    """Read the cart that was filled."""
    rows = cart.get()
    note_filled(purchase, rows)
    return rows


def note_filled(purchase: Purchase, rows: Sequence[CartRow]) -> None:
    purchase.cart_after = pieces(rows)
    purchase.cart_marks = {row.article: row.mark for row in rows}
    purchase.save(update_fields=["cart_after", "cart_marks"])


def check(
    purchase: Purchase,
    cart: CartClient,
    claim: Claim,
    rows: Sequence[CartRow],
    *,
    doubt: PeerError | None,
    agreed_kzt: int | None = None,
) -> None:
    """See that the cart, as it was read, is exactly what is wanted.

    `agreed_kzt`: a person has agreed to pay up to this, whatever we expected.
    Raises `CartOccupied` and `GoodsRefused`, our rows taken out, the purchase given
    up; `NotCleared`, when a person must do that.
    """
    wanted = [(article, number, cost) for article, number, cost in purchase.lines]
    try:
        refuse_foreign(rows, purchase.quantities)
        purchase.sum_kzt = checked_sum(rows, wanted, agreed_kzt=agreed_kzt)
    except (CartOccupied, GoodsRefused) as error:
        take_out(purchase, cart, claim, rows)
        give_up(purchase, reason=str(error))
        is_refusal = isinstance(error, GoodsRefused) and not error.is_stock
        if doubt is not None and is_refusal:
            # The add itself did not arrive whole: that says nothing of the goods.
            raise PeerProtocolError(str(doubt)) from None
        raise
    purchase.save(update_fields=["sum_kzt"])


def submit(
    purchase: Purchase, cart: CartClient, claim: Claim, submission: Submission
) -> str:
    """Turn the cart into an order and give its number.

    Raises `PeerOutcomeUnknown` when an order may exist; `PeerRefused` when surely none
    was made, our rows taken out and the purchase given up.
    """
    now = database_now()
    is_again = bool(purchase.submits)
    # Committed before the call: if we die in it, this says what to look for.
    claim.renew(sent_at=now)
    move_purchase(
        purchase,
        Status.SUBMITTING,
        now=now,
        submits=[*purchase.submits, now.isoformat()],
        submit_ended_at=None,
        cart_since=[],
    )
    try:
        number = _send(purchase, cart, submission)
    except PeerAccessRefused:
        _unsend(purchase)
        raise
    except PeerRefused as error:
        rows = cart.get()
        if is_again and not _is_witness_whole(purchase, rows):
            # The first submit may have worked late and left an empty cart to this one.
            raise PeerOutcomeUnknown(str(error)) from None
        take_out(purchase, cart, claim, rows)
        give_up(purchase, reason=str(error))
        raise
    except (PeerUnavailable, PeerWriteWithheld):
        # No connection, or our own clock gave no turn: nothing has left.
        _unsend(purchase)
        raise
    # Written down whatever has become of our claim meanwhile.
    Purchase.objects.filter(pk=purchase.pk).update(number=number)
    purchase.number = number
    return number


def _send(purchase: Purchase, cart: CartClient, submission: Submission) -> str:
    try:
        return cart.submit(submission)
    except PeerError:
        # It may have waited long for its turn: only now has it left, if it has.
        purchase.submit_ended_at = database_now()
        purchase.save(update_fields=["submit_ended_at"])
        raise


def note_made(
    purchase: Purchase, *, number: str, by: str, now: datetime, total: int | None = None
) -> SupplierOrder:
    """Note which of the supplier's orders the purchase made; in one transaction."""
    with transaction.atomic():
        supplied, _is_new = SupplierOrder.objects.get_or_create(
            supplier_order_id=number,
            defaults={"placed_at": now, "sum_kzt": total or purchase.sum_kzt},
        )
        move_purchase(
            purchase,
            Status.MADE,
            now=now,
            supplier_order=supplied,
            adopted_by=by,
        )
    return supplied


def unchoose(purchase: Purchase, *, reason: str, is_sure: bool) -> None:
    """Note that the order a person chose is not this purchase's: they choose again.

    `is_sure`: nor will it ever be.
    """
    if is_sure:
        left = [c for c in purchase.candidates if str(c["id"]) != purchase.chosen]
        purchase.candidates = left
    purchase.reason, purchase.decision = reason, ""
    purchase.chosen = purchase.adopted_by = ""
    purchase.save(
        update_fields=["candidates", "reason", "decision", "chosen", "adopted_by"]
    )


def clear_after(
    purchase: Purchase, cart: CartClient, claim: Claim, *, is_fresh: bool
) -> Sequence[CartRow] | None:
    """See whether submit emptied the cart, until that is known; tidy up if it did not.

    Call when the order is surely made, before anything else is bought. `is_fresh`: it
    was answered just now; later, whoever is at the portal may have emptied the cart.
    Gives what was in the cart; None when there was no need to look.
    """
    if learned(Name.SUBMIT_EMPTIES) == "yes" and not is_supervised():
        return None
    rows = cart.get()
    still = pieces(rows) == purchase.quantities
    if rows:
        _note_touched(purchase, rows)
    if still and is_fresh:
        _learn_marks(purchase, rows)
    value, evidence = ("no" if still else "yes"), f"{purchase}, {pieces(rows) or '—'}"
    if still or (not rows and is_fresh):
        learn(Name.SUBMIT_EMPTIES, value, evidence=evidence, now=database_now())
    if purchase.is_within(pieces(rows)):
        if learned(Name.SUBMIT_EMPTIES) != "no":
            # Beside somebody's rows: left behind or a manager's, the next look tells.
            return rows
        take_out(purchase, cart, claim, rows)
    note_cleared(purchase)
    return rows


def note_since(purchase: Purchase, rows: Sequence[CartRow]) -> None:
    """Keep a reading of the cart since the last submit: what the witness says."""
    seen: CartSeen = {"at": database_now().isoformat(), "rows": pieces(rows)}
    purchase.cart_since = [*purchase.cart_since, seen]
    purchase.save(update_fields=["cart_since"])


def _note_touched(purchase: Purchase, rows: Sequence[CartRow]) -> None:
    """Keep, once, that somebody had his hands on it: later it may look like ours."""
    if not purchase.was_touched and not purchase.is_untouched_in(pieces(rows)):
        note_since(purchase, rows)


def note_cleared(purchase: Purchase) -> None:
    """Note that nothing of the purchase is in the cart any more."""
    purchase.cleared_at = database_now()
    purchase.save(update_fields=["cleared_at"])


def leave_cart(
    purchase: Purchase,
    cart: CartClient,
    claim: Claim,
    *,
    is_over: timedelta,
    are_rows_ours: bool,
) -> None:
    """Let others have the cart while the purchase's order is looked for.

    `is_over`: when a lost submit surely takes nothing more. `are_rows_ours`: those in
    the cart that look like its own cannot be a manager's. Readings kept on the purchase
    say what the cart was like until then; it stays as long as it may say more. Raises
    `NotCleared`.
    """
    now, left = database_now(), purchase.last_submit_left_by
    if purchase.status != Status.SUBMITTING or is_supervised():
        return
    if left is None or now - left < is_over or not purchase.cart_since:
        return
    if purchase.cleared_at is None:
        if purchase.quantities.keys() & purchase.cart_since[-1]["rows"].keys():
            if not _has_said_all(
                purchase, is_over=is_over, are_rows_ours=are_rows_ours
            ):
                return
            rows = cart.get()
            # Gone by now, somebody at the portal may have ordered them.
            note_since(purchase, rows)
            take_out(purchase, cart, claim, rows)
        note_cleared(purchase)
    move_purchase(purchase, Status.SOUGHT, now=now)


def _has_said_all(
    purchase: Purchase, *, is_over: timedelta, are_rows_ours: bool
) -> bool:
    """Tell whether our rows in the cart cannot tell any more than they did."""
    empties = learned(Name.SUBMIT_EMPTIES)
    if empties == "yes":
        return False
    if empties == "no":
        return purchase.was_seen_late(apart=is_over)
    # If it turns out that submit empties the cart, this is the proof.
    return are_rows_ours and purchase.was_seen_whole(apart=is_over)


def take_out_articles(
    cart: CartClient, claim: Claim, articles: set[str]
) -> Sequence[CartRow]:
    """Remove some of our rows from a cart that holds nothing else; give the others."""
    for article in sorted(articles):
        claim.renew()
        cart.remove(article)
    rows = cart.get()
    if left := [row.article for row in rows if row.article in articles]:
        raise PeerOutcomeUnknown(
            _("%(articles)s are still in the cart") % {"articles": ", ".join(left)}
        )
    return rows


def take_out(
    purchase: Purchase, cart: CartClient, claim: Claim, rows: Sequence[CartRow]
) -> None:
    """Remove what we put in, and nothing that may be somebody else's.

    Raises `NotCleared` when a row holds more than we put in: `remove` would take the
    manager's pieces along, and adding them again may be lost.
    """
    ours = purchase.quantities
    mixed = [row.article for row in rows if row.quantity > ours.get(row.article, 0) > 0]
    gone = [
        row.article
        for row in rows
        if row.article in ours and row.article not in mixed and _is_ours(purchase, row)
    ]
    if gone and purchase.submits:
        # Committed before the call: if we die in it, a row there may be anybody's.
        _note_clearing(purchase, since=database_now())
    doubt: PeerError | None = None
    for place, article in enumerate(gone):
        claim.renew()
        try:
            cart.remove(article)
        except (PeerAccessRefused, PeerUnavailable, PeerWriteWithheld):
            if not place:
                _note_clearing(purchase, since=None)
            raise
        except PeerError as error:
            doubt = error
    if mixed:
        text = _(
            "A manager's pieces stand in one row with ours in Al-Style's cart "
            "(%(articles)s): take ours out there by hand"
        )
        raise NotCleared(text % {"articles": ", ".join(mixed)})
    if gone:
        left = [row.article for row in cart.get() if row.article in gone]
        if left:
            # Seen right after the call: they are ours still.
            _note_clearing(purchase, since=None)
            text = _("%(articles)s are still in the cart")
            raise doubt or PeerOutcomeUnknown(text % {"articles": ", ".join(left)})


def _note_clearing(purchase: Purchase, *, since: datetime | None) -> None:
    purchase.clearing_at = since
    purchase.save(update_fields=["clearing_at"])


def give_up(purchase: Purchase, *, reason: str) -> None:
    """Note that nothing was bought and nothing of ours is in the cart."""
    move_purchase(purchase, Status.GIVEN_UP, now=database_now(), reason=reason)


def need_person(
    purchase: Purchase, *, reason: str, candidates: Sequence[Candidate] = ()
) -> None:
    """Leave it to a person what became of the purchase."""
    move_purchase(
        purchase,
        Status.NEEDS_PERSON,
        now=database_now(),
        reason=reason,
        candidates=list(candidates),
    )


def _unsend(purchase: Purchase) -> None:
    """Take the last submit back: it surely did not leave."""
    earlier = purchase.submits[:-1]
    to = Status.SUBMITTING if earlier else Status.FILLING
    if to == Status.SUBMITTING:
        purchase.submits, purchase.submit_ended_at = earlier, None
        purchase.save(update_fields=["submits", "submit_ended_at"])
    else:
        move_purchase(
            purchase, to, now=database_now(), submits=earlier, submit_ended_at=None
        )


def _is_left_of(last: Purchase, rows: Sequence[CartRow]) -> bool:
    """Tell whether the rows are those that the last order's submit left behind.

    Once they were seen gone, the same goods in the cart are somebody else's.
    """
    keeps = learned(Name.SUBMIT_EMPTIES) == "no"
    there = pieces(rows)
    # With more in one row, take_out could not tell ours from a manager's.
    is_whole = last.is_untouched_in(there)
    mine = (row for row in rows if row.article in last.quantities)
    are_ours = all(_is_ours(last, row) for row in mine)
    return keeps and last.cleared_at is None and is_whole and are_ours


def _is_ours(purchase: Purchase, row: CartRow) -> bool:
    """Tell whether a row that looks like ours is the one we put in.

    Its mark tells it, where marks are kept, and another number that it is not, unless
    those are known to change. Else not, once ours were seen gone or changed since the
    submit, or may have been taken out: where `add` replaces, a row is a manager's with
    his number of pieces, and he may have put in the same as we had.
    """
    if is_same_row(purchase, row):
        return True
    marks = learned(Name.ROW_MARKS)
    if marks == "kept" and has_moment(purchase, row):
        return False
    if marks != "changing" and is_other_row(purchase, row):
        return False
    return purchase.clearing_at is None and not purchase.was_touched


def _learn_marks(purchase: Purchase, rows: Sequence[CartRow]) -> None:
    """Learn from a cart that nobody has touched whether its rows keep their marks."""
    marks = {row.article: row.mark for row in rows}
    value = "kept" if marks == purchase.cart_marks else "number"
    if any(is_other_row(purchase, row) for row in rows):
        value = "changing"
    now = database_now()
    learn(Name.ROW_MARKS, value, evidence=f"{purchase}, {marks}", now=now)


def _is_witness_whole(purchase: Purchase, rows: Sequence[CartRow]) -> bool:
    """Tell whether the cart shows that no submit has worked: one would have emptied it.

    None is under way either: a cart is submitted again only when the last one is over.
    """
    empties = learned(Name.SUBMIT_EMPTIES) == "yes"
    return empties and pieces(rows) == purchase.quantities


def _is_known_empty() -> bool:
    """Tell whether our own last check is so young that it can be relied on."""
    if learned(Name.SUBMIT_EMPTIES) != "yes":
        return False
    last = Purchase.objects.exclude(status=Status.OPENED).first()
    if last is None or last.status != Status.MADE or last.last_submit_at is None:
        return False
    return database_now() - last.last_submit_at < CHECK_IS_FRESH
