"""Shows what calls of a purchase showed, and the orders that may be its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from backoffice.formatting import figure, money, when
from orders.admin.forms import placed_words
from orders.models import Purchase
from orders.models.purchase import WatchedCall
from orders.models.step import Candidate
from plumbing.redaction import redact


def candidate_rows(
    candidates: list[Candidate],
) -> list[tuple[str, str, SafeString, list[str]]]:
    """Give number, date as it is written, sum and lines of each."""
    return [
        (
            f"№{found['id']}",
            placed_words(found.get("placed_at")),
            money(found.get("sum")),
            [f"{line[0]} × {line[1]}" for line in found.get("lines") or []],
        )
        for found in candidates
    ]


def watched_calls(purchase: Purchase, *, now: datetime) -> Iterator[dict[str, Any]]:
    """Tell what each call of a supervised purchase showed."""
    for seen in purchase.watched:
        rows = seen["rows"]
        yield {
            "call": Purchase.Stage(seen["call"]).label,
            "at": when(datetime.fromisoformat(seen["at"]), now=now),
            "words": _watched_words(seen),
            "is_clear": seen["is_clear"],
            "by": seen["by"],
            "read_cart": rows is not None,
            "rows": [
                (str(article), figure(number), money(price), figure(balance), marked)
                for article, number, price, balance, marked in rows or []
            ],
        }


def _watched_words(seen: WatchedCall) -> str:
    if seen["call"] == Purchase.Stage.SUBMITTED:
        text = _("Al-Style answered with order %(number)s")
        return text % {"number": seen["words"]}
    # There they are the number of submits, for the machine.
    unanswered = seen["call"] == Purchase.Stage.UNANSWERED
    return "" if unanswered else redact(str(seen["words"]))
