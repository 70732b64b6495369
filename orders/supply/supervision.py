"""The first purchases, watched over: each stops after each call and shows what it saw.

A stop is written on the purchase, which keeps the cart. "Go on" lets it make the next
call, after a new look where time has passed: what a person has allowed is what was
shown, not what has become of it since.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from django.conf import settings
from django.utils.translation import gettext as _

from catalog.alstyle.trade import CartRow
from orders.models import LearnedFact, Purchase
from orders.models.purchase import WatchedCall
from orders.supply.learning import learned
from plumbing.leases import database_now

Stage, Status = Purchase.Stage, Purchase.Status
# Where a purchase may go on from after a stop: nothing was sent since it was shown.
RESUMED_FROM = {
    (Status.OPENED, Stage.LOOKED),
    (Status.FILLING, Stage.ADDED),
    (Status.FILLING, Stage.CHECKED),
}


class Shown(TypedDict, total=False):
    """What a call showed: the cart's rows, or words."""

    rows: Sequence[CartRow]
    words: str
    is_clear: bool


class Paused(Exception):
    """The purchase waits for the word of a person; the text says after what."""

    def __init__(self, purchase: Purchase) -> None:
        super().__init__(pause_text(purchase))
        self.stage = purchase.stage


def is_supervised() -> bool:
    """Tell whether purchases stop after each call."""
    if not settings.SUPERVISE_FIRST_PURCHASE:
        return False
    return learned(LearnedFact.Name.GOES_ON_ALONE) is None


def pause(purchase: Purchase, stage: Purchase.Stage, shown: Shown) -> None:
    """Stop after a call, raising `Paused`, unless a person has said "go on" to just it.

    Without supervision nothing is kept of it.
    """
    if not is_supervised():
        return
    seen = _watched(stage, shown)
    if _is_allowed(purchase, seen):
        return
    purchase.stage, purchase.paused_at = stage, database_now()
    purchase.watched = [*purchase.watched, seen]
    purchase.save(update_fields=["stage", "paused_at", "watched"])
    raise Paused(purchase)


def note_last(purchase: Purchase, shown: Shown) -> None:
    """Keep what the last look showed: there is no call after it to be allowed."""
    if is_supervised() or purchase.watched:
        purchase.stage = Stage.AFTER
        purchase.watched = [*purchase.watched, _watched(Stage.AFTER, shown)]
        purchase.save(update_fields=["stage", "watched"])


def may_resume(purchase: Purchase) -> bool:
    """Tell whether it was stopped and may go on from where it stands.

    One that stands elsewhere is settled by evidence, like any other.
    """
    here = (Status(purchase.status), purchase.stage)
    return purchase.paused_at is None and here in RESUMED_FROM


def was_add_doubtful(purchase: Purchase) -> str:
    """Give the words of an `add` whose answer was unclear before the stop, or ""."""
    seen = purchase.watched[-1] if purchase.watched else None
    if seen is None or seen["call"] != Stage.ADDED or seen["is_clear"]:
        return ""
    return str(seen["words"])


def pause_text(purchase: Purchase) -> str:
    """Say after what the purchase stopped and what "go on" would do."""
    goods = ", ".join(f"{article} × {n}" for article, n in purchase.quantities.items())
    seen = {
        Stage.LOOKED: _("the cart was looked into; next our goods are put in"),
        Stage.ADDED: _("our goods were put in; next the cart is looked into"),
        Stage.CHECKED: _(
            "the cart holds just our goods; next they are ordered: this buys them"
        ),
        Stage.UNANSWERED: _(
            "submit was not answered and the cart still holds our goods; next they "
            "are ordered once more"
        ),
        Stage.SUBMITTED: _(
            "order %(number)s is made; next the cart is looked into once more"
        ),
    }
    number = purchase.watched[-1]["words"] if purchase.watched else ""
    after = seen[Stage(purchase.stage)] % {"number": number}
    text = _("The first purchase is watched over (%(goods)s): %(after)s")
    return text % {"goods": goods, "after": after}


def _watched(stage: Purchase.Stage, shown: Shown) -> WatchedCall:
    rows = shown.get("rows")
    return {
        "at": database_now().isoformat(),
        "call": stage.value,
        "rows": None
        if rows is None
        else [
            [row.article, row.quantity, row.price_kzt, row.balance, row.is_markdown]
            for row in rows
        ],
        "words": shown.get("words", ""),
        "is_clear": shown.get("is_clear", True),
        "by": "",
    }


def _is_allowed(purchase: Purchase, seen: WatchedCall) -> bool:
    if purchase.paused_at is not None or not purchase.watched:
        return False
    last: WatchedCall = purchase.watched[-1]
    same = all(last[name] == seen[name] for name in ("call", "words"))
    return same and bool(last["by"]) and _priced(last) == _priced(seen)


def _priced(seen: WatchedCall) -> list[list[str | int | bool | None]] | None:
    """The rows without the supplier's balance, which moves with other people's orders.

    That it is enough is checked each time.
    """
    rows = seen["rows"]
    return None if rows is None else sorted(([*r[:3], r[4]] for r in rows), key=str)
