"""Filters of the list of orders by what the orders earn, and when it was booked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, Q, QuerySet, Sum
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders.admin.report import only_label, period_label
from orders.admin.situation import sees_money
from orders.models import Booking, Order
from orders.money.earnings import least_to_earn
from orders.money.periods import Period
from orders.money.summing import Only, booked_in


class EarnsFilter(admin.SimpleListFilter):
    """Orders that earn less than is set, or nobody knows how much."""

    title = _("profit")
    parameter_name = "money"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[Any, Any]]:
        if not sees_money(request):
            return []
        return [
            ("below", _("under the least margin")),
            ("loss", _("loss")),
            ("unknown", _("not known")),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Order]
    ) -> QuerySet[Order]:
        rows = Booking.objects.all()
        if self.value() == "below":
            found = rows.orders_below(
                percent=settings.MARGIN_LEAST_PERCENT, kzt=settings.MARGIN_LEAST_KZT
            )
        elif self.value() == "loss":
            found = rows.orders_below(percent=0, kzt=0)
        elif self.value() == "unknown":
            found = rows.filter(profit_kzt__isnull=True).values("order")
        else:
            return queryset
        return queryset.filter(pk__in=found)


class BookedFilter(admin.ListFilter):
    """Orders of which something was booked in a period; the report leads here."""

    title = _("in the report")
    parameters = tuple(
        f"booked_{name}" for name in ("from", "to", "product", "brand", "category")
    )

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Model],
        model_admin: admin.ModelAdmin[Any],
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.asked: dict[str, str] = {}
        for name in self.parameters:
            if name in params:
                value = params.pop(name)
                # Django gives lists of what an address says more than once.
                text = str(value[-1] if isinstance(value, list) else value)
                self.asked[name] = self.used_parameters[name] = text
        self.period = self._period()

    def _period(self) -> Period | None:
        try:
            first, last = (
                date.fromisoformat(self.asked[name])
                for name in ("booked_from", "booked_to")
            )
        except (KeyError, ValueError):
            return None
        return Period(first=first, last=last)

    @property
    def only(self) -> Only:
        used = self.asked
        numbers = {
            name: int(used[f"booked_{name}"])
            for name in ("product", "category")
            if used.get(f"booked_{name}", "").isdecimal()
        }
        return Only(brand=used.get("booked_brand"), **numbers)

    def has_output(self) -> bool:
        return self.period is not None

    def expected_parameters(self) -> list[str | None]:
        return [*self.parameters]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Give the way out first, then what is chosen."""
        removed = changelist.get_query_string(remove=list(self.parameters))
        yield {
            "selected": False,
            "query_string": removed,
            "display": gettext("any time"),
        }
        if self.period is not None:
            about = [period_label(self.period), only_label(self.only)]
            yield {
                "selected": True,
                "query_string": changelist.get_query_string(),
                "display": ", ".join(part for part in about if part),
            }

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Order]
    ) -> QuerySet[Order]:
        if self.period is None:
            return queryset
        return queryset.filter(pk__in=booked_in(self.period, self.only).values("order"))


def read_earnings(pks: list[int]) -> dict[int, tuple[int, bool]]:
    """Say what each order earns, and whether that is less than is set.

    Orders that earn nobody knows how much are left out, as in `orders_below`.
    """
    living = Q(kind__in=(Booking.Kind.EXPECTED, Booking.Kind.SALE))
    rows = Booking.objects.filter(living, order__in=pks).order_by().values("order")
    known = rows.exclude(order__in=_doubtful(pks))
    found = {}
    for row in known.annotate(earned=Sum("profit_kzt"), spent=Sum("cost_kzt")):
        least = least_to_earn(
            row["spent"],
            least_percent=settings.MARGIN_LEAST_PERCENT,
            least_kzt=settings.MARGIN_LEAST_KZT,
        )
        found[row["order"]] = (row["earned"], row["earned"] < least)
    return found


def _doubtful(pks: list[int]) -> QuerySet[Any]:
    rows = Booking.objects.filter(order__in=pks, profit_kzt__isnull=True)
    return rows.values("order")
