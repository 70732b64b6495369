"""Tells what putting an earlier list back would change, and what undoes it later."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db.models import Model
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backoffice.formatting import grouped
from backoffice.histories import BASELINE, CHANGED, DELETED, history_of, told_changes
from catalog.models import Category, CommissionRate, PriceRule, Product, ProductChange
from feeds import carrying
from feeds.drafting import Draft, Refusal, write_restored
from feeds.models import FeedBuild, Store
from plumbing.full_disk import is_full_disk

# Of each kind of decisions so many are named one by one.
NAMED = 8


def draft_roll_back(earlier: FeedBuild, *, now: datetime) -> Draft:
    """Write the earlier list with today's stock, for its differences alone.

    Raises `Refusal` when there is none to write.
    """
    with tempfile.TemporaryDirectory(prefix="roll-back-") as folder:
        source = Path(folder) / "earlier.xml"
        draft = Draft(path=Path(folder) / "restored.xml")
        try:
            is_whole = carrying.unpack(earlier, source)
        except OSError as error:
            if is_full_disk(error):
                raise
            is_whole = False
        if not is_whole:
            raise Refusal(_("the file of №%(number)d is gone") % {"number": earlier.pk})
        write_restored(draft, source, now=now)
        return draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Something decided since then: when the list is made anew it counts again."""

    text: str
    who: str = ""
    at: datetime | None = None
    # The row whose history brings the former state back.
    row: Model | None = None


def causes_since(moment: datetime) -> list[Cause]:
    """Name what changed the list since that moment, whatever brings it back."""
    found: list[Cause] = []
    for model in (PriceRule, CommissionRate, Category, Store):
        found += _decisions(model, moment)
    found.sort(key=lambda cause: cause.at or moment, reverse=True)
    return [*found, *_many(moment)]


def _decisions(model: type[Model], moment: datetime) -> Iterator[Cause]:
    since = history_of(model).filter(history_date__gt=moment)
    states = since.exclude(history_change_reason=BASELINE)
    rows = {row.pk: row for row in model._default_manager.all()}
    for state in states.select_related("history_user")[:NAMED]:
        before = state.prev_record if state.history_type == CHANGED else None
        changes = told_changes(state, before)
        row = rows.get(state.id)
        named = str(row) if row is not None else getattr(state, "name", "")
        what = named or f"№{state.id}"
        words = ", ".join(f"{name} {was} → {now}" for name, was, now in changes)
        if state.history_type == DELETED:
            words = _("deleted")
        elif not words:
            words = _("added")
        yield Cause(
            text=f"{capfirst(model._meta.verbose_name)} «{what}»: {words}",
            who=str(state.history_user or ""),
            at=state.history_date,
            row=row,
        )


def _many(moment: datetime) -> Iterator[Cause]:
    """Count what happened to too many goods to be named."""
    states = Product.history.filter(history_date__gt=moment)
    own: Counter[str] = Counter(
        states.exclude(history_change_reason=BASELINE).values_list(
            "history_change_reason", flat=True
        )
    )
    for reason, number in own.most_common(NAMED):
        text = ngettext("%(n)s product: %(why)s", "%(n)s products: %(why)s", number)
        shown: dict[str, Any] = {"n": grouped(number), "why": reason or _("by hand")}
        yield Cause(text=text % shown)
    costs = ProductChange.objects.filter(
        changed_at__gt=moment, field=ProductChange.Field.COST
    )
    if number := costs.order_by().values("product").distinct().count():
        text = ngettext(
            "%(n)s product has another dealer price",
            "%(n)s products have another dealer price",
            number,
        )
        yield Cause(text=text % {"n": grouped(number)})
