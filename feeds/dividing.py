"""What each point of sale offers: as things stand, and as a change would have it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backoffice.formatting import grouped
from feeds.cities import city_name
from feeds.city_prices import CityPrices
from feeds.models import CITY_TERMS, Listing, Store, torn_among
from feeds.writing import split_units


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What a point of sale offers by the live list's figures."""

    goods: int
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PointSide:
    """A point before, or after."""

    shelf: Shelf
    # What the fullest good costs there; None while nothing is on sale.
    price_kzt: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointEffect:
    """What a change does to a point; None = it does not stand in the list."""

    store: Store
    before: PointSide | None
    after: PointSide | None

    @property
    def becomes_empty(self) -> bool:
        was = self.before.shelf.goods if self.before else 0
        return bool(was and not (self.after and self.after.shelf.goods))

    @property
    def is_repriced(self) -> bool:
        before, after = self.before, self.after
        return bool(before and after and before.price_kzt != after.price_kzt)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsForesight:
    """What a change of points does: every point, changed or not."""

    effects: Sequence[PointEffect]
    # The good whose price is shown as an example.
    example: str

    def warnings(self) -> list[str]:
        """Say what must not be saved by mistake; each wants to be meant."""
        return list(self._warn())

    def _warn(self) -> Iterator[str]:
        if self.effects and not any(
            e.after and e.store.stock_share for e in self.effects
        ):
            yield _(
                "No point would have a share of the stock: no new price list can be "
                "made, and Kaspi goes on with the last one."
            )
            return
        if torn := self._torn_cities():
            yield _(
                "The points of city %(city)s would differ in their pre-order or their "
                "prices: no new price list can be made, and Kaspi goes on with the "
                "last one."
            ) % {"city": ", ".join(map(city_name, torn))}
            return
        for effect in self.effects:
            figures = {"store": effect.store}
            if effect.becomes_empty:
                yield _("%(store)s would offer nothing any more.") % figures
            elif effect.is_repriced and effect.after:
                number = effect.after.shelf.goods
                text = ngettext(
                    "%(n)s product gets another price in %(store)s.",
                    "%(n)s products get another price in %(store)s.",
                    number,
                )
                yield text % (figures | {"n": grouped(number)})

    def _torn_cities(self) -> list[str]:
        return torn_among(
            [getattr(effect.store, name) for name in ("city_code", *CITY_TERMS)]
            for effect in self.effects
            if effect.after
        )


def divide_stock(stores: Iterable[Store]) -> dict[str, Shelf]:
    """Count the goods and units of each active point, by its code.

    The figures are those of the live list, divided by these points' shares.
    """
    active = [store for store in stores if store.is_active]
    shares = [store.stock_share for store in active]
    goods, units = [0] * len(active), [0] * len(active)
    stocks = Listing.objects.on_sale().order_by().values_list("stock_count")
    for stock, number in stocks.annotate(number=Count("pk")):
        for place, part in enumerate(split_units(stock, shares)):
            goods[place] += number if part else 0
            units[place] += number * part
    return {
        store.store_id: Shelf(goods=goods[place], units=units[place])
        for place, store in enumerate(active)
    }


def foresee_points(before: Sequence[Store], after: Sequence[Store]) -> PointsForesight:
    """Lay the points as they are beside those that would be; nothing is written."""
    fullest = Listing.objects.on_sale().select_related("product")
    listing = fullest.order_by("-stock_count", "pk").first()
    price = None if listing is None else listing.product.price_kzt
    was, will = _sides(before, price), _sides(after, price)
    stores = {store.pk: store for store in [*before, *after]}
    effects = [
        PointEffect(store=store, before=was.get(pk), after=will.get(pk))
        for pk, store in stores.items()
        if pk in was or pk in will
    ]
    example = "" if listing is None else listing.product.name
    return PointsForesight(effects=effects, example=example)


def _sides(stores: Sequence[Store], price_kzt: int | None) -> dict[int, PointSide]:
    shelves = divide_stock(stores)
    return {
        store.pk: PointSide(
            shelf=shelves[store.store_id],
            price_kzt=price_kzt and _price_at(store, price_kzt),
        )
        for store in stores
        if store.is_active
    }


def _price_at(store: Store, price_kzt: int) -> int:
    supplement = (store.supplement_percent, store.supplement_kzt)
    return CityPrices(supplements={store.city_code: supplement}).at(price_kzt)[0]
