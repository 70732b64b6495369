"""Keeps the stored prices in step with the supplier's figures and the rules."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from catalog.availability import stock_read_at
from catalog.comparing import UnsavedChange
from catalog.explaining import explain, explainer
from catalog.models import PriceRule, Product, ProductChange
from catalog.pricing import PriceDecision, PriceInputs, decide_price
from catalog.rules import RuleBook, load_rules
from catalog.writing import insert_changes
from plumbing.clocks import doubt_of_time, is_span_sure
from plumbing.rows import update_rows

log = logging.getLogger(__name__)

CHUNK = 2000
DECIDED_COLUMNS = ("price_kzt", "quarantine", "quarantined_at", "accepted_price_kzt")


class PriceRow(NamedTuple):
    """The columns of `Product` that a price depends on, and the price as it stands."""

    pk: int
    category_id: int | None
    brand: str
    cost_kzt: int | None
    retail_kzt: int | None
    rrp_enforced: bool
    price_override_kzt: int | None
    min_price_kzt: int | None
    accepted_price_kzt: int | None
    price_kzt: int | None
    quarantine: str


@dataclass(slots=True)
class RepriceResult:
    """How many goods were looked at, got another price, went into quarantine."""

    examined: int = 0
    changed: int = 0
    quarantined: int = 0
    released: int = 0

    @property
    def summary(self) -> str:
        return (
            f"{self.examined} examined, {self.changed} prices changed, "
            f"{self.quarantined} newly in quarantine, {self.released} rises let through"
        )


def reprice(*, now: datetime) -> RepriceResult:
    """Work out every price that is out of date; cheap when none is."""
    result = RepriceResult()
    _end_fixed_prices(now=now)
    book = load_rules()
    if _is_outdated(book):
        _work_out(book, now=now, result=result)
    _let_rises_through(now=now, result=result)
    return result


def _end_fixed_prices(*, now: datetime) -> None:
    """Go back to the rules where the term is over, as far as the time is sure.

    A clock that is ahead for a moment would take all fixed prices for good.
    """
    over = Product.objects.filter(
        price_override_kzt__isnull=False, price_override_until__lte=now
    )
    if not over.exists():
        return
    if doubt := doubt_of_time(now=now):
        log.error("fixed prices stay: %s", doubt)
        return
    over.update(price_override_kzt=None, price_override_until=None, priced_with="")


def are_prices_outdated() -> bool:
    """Tell whether figures or rules have changed since prices were worked out."""
    return _is_outdated(load_rules())


def _is_outdated(book: RuleBook) -> bool:
    # Asked without an order: with one SQLite reads all goods to find none.
    return Product.objects.filter(_priced_otherwise(book.digest)).exists()


def _work_out(book: RuleBook, *, now: datetime, result: RepriceResult) -> None:
    last_pk = 0
    while True:
        with transaction.atomic():
            rows = _outdated(book.digest, after_pk=last_pk)
            if not rows:
                return
            _store(rows, book=book, now=now, result=result)
        last_pk = rows[-1][0]


def explain_price(product: Product) -> list[str]:
    """Tell, line by line, how the product's price comes about today."""
    return explain(decide_unsaved(product).lines)


def decide_unsaved(product: Product) -> PriceDecision:
    """Work out the price of a product as it stands in memory."""
    return decide_product(product, load_rules())


def decide_product(product: Product, book: RuleBook) -> PriceDecision:
    row = PriceRow._make(getattr(product, name) for name in PriceRow._fields)
    return decide_row(row, book)


def price_rows(products: QuerySet[Product]) -> Iterator[PriceRow]:
    """Stream what prices depend on."""
    rows = products.order_by("pk").values_list(*PriceRow._fields)
    return map(PriceRow._make, rows.iterator(chunk_size=CHUNK))


def release_prices(seen: Mapping[int, int]) -> list[int]:
    """Let jumped prices through: they are right after all. Returns whose.

    `seen` maps goods to the price that the person saw, which may have changed since.
    """
    jumped = Product.objects.releasable()
    return [
        pk
        for pk, price in seen.items()
        if jumped.filter(pk=pk, price_kzt=price).update(
            quarantine=Product.Quarantine.NONE,
            quarantined_at=None,
            accepted_price_kzt=price,
            priced_with="",
        )
    ]


def _let_rises_through(*, now: datetime, result: RepriceResult) -> None:
    """Sell at prices that rose sharply and that imports have shown for long enough.

    Real rises look alike: each kept a good off sale until a person let it through.
    A price too high brings no loss, and a wrong one is put right within the day.
    """
    read_at = stock_read_at()
    if read_at is None:
        return
    hours = settings.PRICE_RISE_STEADY_HOURS
    since = read_at - timedelta(hours=hours)
    steady = Product.objects.risen().filter(quarantined_at__lte=since)
    if not steady.exists() or not is_span_sure(since=since, until=now):
        return
    words = _("The price rose, and imports showed it for %(hours)d hours: let through")
    while steady.exists():
        with transaction.atomic():
            rows = steady.select_for_update().order_by("pk")
            risen = rows.values_list("pk", "accepted_price_kzt", "price_kzt")[:CHUNK]
            Product.objects.filter(pk__in=[pk for pk, _old, _new in risen]).update(
                quarantine=Product.Quarantine.NONE,
                quarantined_at=None,
                accepted_price_kzt=F("price_kzt"),
            )
            ProductChange.objects.bulk_create(
                ProductChange(
                    product_id=pk,
                    field=ProductChange.Field.PRICE,
                    old=old,
                    new=new,
                    changed_at=now,
                    reason=words % {"hours": hours},
                )
                for pk, old, new in risen
            )
        result.released += len(risen)


def _priced_otherwise(digest: str) -> Q:
    # "Other than" in two halves, each of which the index answers.
    return Q(priced_with__lt=digest) | Q(priced_with__gt=digest)


def _outdated(digest: str, *, after_pk: int) -> list[PriceRow]:
    # Locked, so that no import changes a cost between our look and our write.
    rows = (
        Product.objects.select_for_update()
        .filter(_priced_otherwise(digest), pk__gt=after_pk)
        .order_by("pk")
        .values_list(*PriceRow._fields)
    )
    return [PriceRow._make(row) for row in rows[:CHUNK]]


def decide_row(row: PriceRow, book: RuleBook) -> PriceDecision:
    """Work out a price by a book of rules, those of today or others."""
    return decide_by(row, rule_for(row, book))


def rule_for(row: PriceRow, book: RuleBook) -> PriceRule | None:
    return book.find(
        product_id=row.pk,
        category_id=row.category_id,
        brand=row.brand,
        cost=row.cost_kzt,
    )


def decide_by(row: PriceRow, rule: PriceRule | None) -> PriceDecision:
    """Work out a price by one rule, whether or not it fits."""
    inputs = PriceInputs(
        cost_kzt=row.cost_kzt,
        retail_kzt=row.retail_kzt,
        rrp_enforced=row.rrp_enforced,
        override_kzt=row.price_override_kzt,
        min_price_kzt=row.min_price_kzt,
        accepted_kzt=row.accepted_price_kzt,
    )
    return decide_price(inputs, rule, jump_percent=settings.PRICE_JUMP_PERCENT)


def _store(
    rows: list[PriceRow], *, book: RuleBook, now: datetime, result: RepriceResult
) -> None:
    decided = [(row, decide_row(row, book)) for row in rows]
    moved = [
        (row, d)
        for row, d in decided
        if (row.price_kzt, row.quarantine) != (d.price_kzt, d.quarantine)
    ]
    # Each row once, with all that changes in it: an update costs by the row.
    written = {}
    for row, d in decided:
        # A price of the rules that may be sold at is the one the next is compared with.
        # A fixed one is not: the end of a sale would pass for a sharp rise.
        accepted = row.accepted_price_kzt
        if not d.quarantine and row.price_override_kzt is None:
            accepted = d.price_kzt
        stands = (row.price_kzt, row.quarantine, row.accepted_price_kzt)
        if stands != (d.price_kzt, d.quarantine, accepted):
            since = now if d.quarantine else None
            written[row.pk] = (d.price_kzt, str(d.quarantine), since, accepted)
    update_rows(
        Product,
        [*DECIDED_COLUMNS, "priced_with"],
        [(*values, book.digest, pk) for pk, values in written.items()],
    )
    others = [row.pk for row in rows if row.pk not in written]
    Product.objects.filter(pk__in=others).update(priced_with=book.digest)
    explained = explainer()
    insert_changes(
        (
            UnsavedChange(
                row.pk,
                ProductChange.Field.PRICE,
                row.price_kzt,
                decision.price_kzt,
                "\n".join(explained(decision.lines)),
            )
            for row, decision in moved
            if row.price_kzt is not None
        ),
        now=now,
    )
    result.examined += len(rows)
    result.changed += sum(row.price_kzt != d.price_kzt for row, d in moved)
    result.quarantined += sum(
        bool(d.quarantine) and d.quarantine != row.quarantine for row, d in moved
    )
