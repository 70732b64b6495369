"""The tabs of the list of orders: which orders wait for what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, F, Q, QuerySet, Value
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from backoffice.asking import Number, Rows, ask
from backoffice.formatting import grouped
from orders.models import Order, Reservation, Step
from orders.models.order import NEVER

# By the column that sorts the list: its index finds them, also beside another claim.
OPEN = Q(ended_at_or_never=NEVER)
AT_KASPI = Q(state=Order.KASPI_DELIVERY, status=Order.ACCEPTED)
BY_US = Q(state__in=(Order.PICKUP, Order.DELIVERY), status=Order.ACCEPTED)
WITH_US = OPEN & Q(handed_over_at__isnull=True)
ALIVE = OPEN & Q(status__in=(Order.APPROVED, Order.ACCEPTED))
RETURNING = Q(status__in=(Order.RETURN_REQUESTED, Order.RETURN_ACCEPTED))
STUCK = Q(pk__in=Step.objects.stuck().values("order"))
WANTED = Q(pk__in=Reservation.objects.wanted().values("order"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """Orders that wait for the same thing."""

    code: str
    label: str | Promise
    condition: Q
    # Whether its number is shown: counting all orders ever would say little.
    is_counted: bool = True


PERSON = "person"
TABS = {
    tab.code: tab
    for tab in (
        Tab(code="open", label=_("Open"), condition=OPEN),
        Tab(code=PERSON, label=_("Needs a person"), condition=STUCK),
        Tab(
            code="accept",
            label=_("To accept"),
            condition=OPEN & Order.AWAITS_ACCEPT,
        ),
        Tab(code="reserve", label=_("To reserve"), condition=ALIVE & WANTED),
        Tab(
            code="assemble",
            label=_("To assemble"),
            condition=WITH_US & AT_KASPI & Q(is_assembled=False),
        ),
        Tab(
            code="hand_over",
            label=_("To hand over"),
            condition=WITH_US & (BY_US | AT_KASPI & Q(is_assembled=True)),
        ),
        Tab(
            code="transit",
            label=_("Cancelled in transit"),
            condition=OPEN & Q(status=Order.CANCELLING),
        ),
        Tab(code="returns", label=_("Returns"), condition=OPEN & RETURNING),
        Tab(
            code="ended",
            label=_("Ended"),
            condition=Q(ended_at_or_never__lt=NEVER),
            is_counted=False,
        ),
        Tab(code="all", label=_("All"), condition=Q(), is_counted=False),
    )
}
# Open orders first, the nearest deadline on top; ended ones by their end. For orders
# read `with_due()`.
BY_TIME_LEFT = (
    F("ended_at_or_never").desc(),
    F("due").asc(nulls_last=True),
    F("pk").desc(),
)


def count_tabs() -> dict[str, int]:
    """Count the orders of each counted tab, in one query.

    All but those that need a person are open: in one condition with these PostgreSQL
    would read all orders.
    """
    counts = {
        tab.code: Count("pk", filter=tab.condition)
        for tab in TABS.values()
        if tab.is_counted and tab.code != PERSON
    }
    open_ones = Order.objects.filter(OPEN).order_by().annotate(all=Value(1))
    stuck = Step.objects.stuck().order_by().values("order").distinct()
    answers = ask(
        {
            "open": Rows(open_ones.values("all").annotate(**counts).values(*counts)),
            PERSON: Number(Order.objects.filter(pk__in=stuck)),
        }
    )
    found: dict[str, int] = dict.fromkeys(counts, 0)
    found.update(*answers["open"])
    return {**found, PERSON: answers[PERSON]}


class TabFilter(admin.SimpleListFilter):
    """Without a choice the open orders, or what is sought among all of them."""

    title = _("tab")
    parameter_name = "tab"
    template = "admin/orders/tabs.html"
    is_tabs = True

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[Any, Any]]:
        self.default = "all" if request.GET.get("q") else "open"
        return [(tab.code, tab.label) for tab in TABS.values()]

    def chosen(self) -> str:
        value = self.value() or ""
        return value if value in TABS else self.default

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        counts = count_tabs()
        for tab in TABS.values():
            query = changelist.get_query_string({self.parameter_name: tab.code}, ["p"])
            number = counts.get(tab.code)
            yield {
                "code": tab.code,
                "selected": self.chosen() == tab.code,
                "query_string": query,
                "display": tab.label,
                "number": None if number is None else grouped(number),
                "is_urgent": tab.code == "person" and bool(number),
            }

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Order]
    ) -> QuerySet[Order]:
        return queryset.filter(TABS[self.chosen()].condition)
