"""Actions on many products: a form, then what would change, then saving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from backoffice.confirming import answer_form, ask
from backoffice.formatting import decimals, grouped
from backoffice.pages import StaffAdmin
from catalog.models import Product
from feeds.admin.proposing import show_first
from feeds.many_goods import PriceWay, change_prices
from feeds.models import Proposal
from feeds.proposals import Wanted
from plumbing.leases import database_now

MOST_AT_ONCE = 20_000
PRODUCTS = Proposal.Table.PRODUCTS
Publish = Product.Publish


class TypedNumber(forms.DecimalField):
    """Takes a comma, spaces and a real minus as people type them."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str):
            value = "".join(value.split()).replace(",", ".").replace("−", "-")
        return super().to_python(value)


class PricesForm(forms.Form):
    """Asks how prices change and by how much."""

    way = forms.ChoiceField(
        label=_("How"),
        choices=PriceWay.choices,
        widget=forms.RadioSelect,
        initial=PriceWay.PERCENT,
    )
    number = TypedNumber(
        label=_("How much"),
        required=False,
        max_digits=10,
        decimal_places=2,
        widget=forms.TextInput(attrs={"inputmode": "text", "size": 10}),
        help_text=_(
            "“5” makes dearer, “-5” cheaper. The new price is rounded up as the "
            "product's rule rounds; none gets below its floor."
        ),
    )
    until = forms.DateTimeField(
        label=_("Until"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text=_("Then the rules' price again. Blank: for good."),
    )

    def clean_until(self) -> Any:
        until = self.cleaned_data["until"]
        if until is not None and until <= database_now():
            raise ValidationError(gettext("This moment has passed already."))
        return until

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        way, number = data.get("way"), data.get("number")
        if way in (None, PriceWay.RESET) or "number" in self.errors:
            return data
        if not number:
            self.add_error("number", ValidationError(gettext("Enter a number.")))
        elif way == PriceWay.PERCENT and not -90 <= number <= 500:
            text = gettext("From −90 to +500 percent.")
            self.add_error("number", ValidationError(text))
        elif way == PriceWay.FIXED and (number < 1 or number != int(number)):
            text = gettext("A price is a whole number of tenge, 1 or more.")
            self.add_error("number", ValidationError(text))
        return data


class BufferForm(forms.Form):
    """Asks how many units are kept back."""

    units = forms.IntegerField(
        label=_("Units kept back"),
        min_value=0,
        max_value=100_000,
        help_text=_("So many units of the supplier's stock are not offered. 0: none."),
    )


def lead_on(
    request: HttpRequest,
    *,
    table: str,
    title: str,
    wanted: Mapping[Any, Wanted],
    errors: Sequence[Sequence[Any]] = (),
) -> HttpResponse | None:
    """Lead from a list to the page that shows what would change."""
    if len(wanted) > MOST_AT_ONCE:
        text = gettext("At most %(limit)s rows at once: choose fewer by the filters.")
        messages.error(request, text % {"limit": grouped(MOST_AT_ONCE)})
        return None
    answer = show_first(request, table=table, title=title, wanted=wanted, errors=errors)
    if answer is None:
        messages.info(request, gettext("It is so already: nothing would change."))
    return answer


class ManyProductsAdmin(StaffAdmin[Product]):
    """What can be done to many products of the list at once."""

    actions: Sequence[str] = (
        "change_prices",
        "keep_units_back",
        "sell",
        "stop_selling",
        "sell_as_category",
    )

    def has_many_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.change_many_products")

    @admin.action(description=_("Change prices…"), permissions=["many"])
    def change_prices(
        self, request: HttpRequest, queryset: QuerySet[Product]
    ) -> HttpResponse | None:
        form = answer_form(request, PricesForm)
        if not form.is_valid():
            title = _asked(queryset, gettext("Change prices"))
            return self._ask(request, form, queryset, title=title)
        way, number = PriceWay(form.cleaned_data["way"]), form.cleaned_data["number"]
        many = change_prices(
            queryset,
            way=way,
            number=number or Decimal(0),
            until=form.cleaned_data["until"],
        )
        return lead_on(
            request,
            table=PRODUCTS,
            title=_prices_title(way, number),
            wanted=many.wanted,
            errors=many.errors,
        )

    @admin.action(description=_("Keep units back…"), permissions=["many"])
    def keep_units_back(
        self, request: HttpRequest, queryset: QuerySet[Product]
    ) -> HttpResponse | None:
        form = answer_form(request, BufferForm)
        if not form.is_valid():
            title = _asked(queryset, gettext("Keep units back"))
            return self._ask(request, form, queryset, title=title)
        units = form.cleaned_data["units"]
        title = gettext("Keep back: %(units)s") % {"units": grouped(units)}
        return self._same_for_all(
            request, queryset, {"safety_stock": units}, title=title
        )

    @admin.action(description=_("Sell…"), permissions=["publish"])
    def sell(
        self, request: HttpRequest, queryset: QuerySet[Product]
    ) -> HttpResponse | None:
        return self._publish(request, queryset, Publish.YES)

    @admin.action(description=_("Do not sell…"), permissions=["publish"])
    def stop_selling(
        self, request: HttpRequest, queryset: QuerySet[Product]
    ) -> HttpResponse | None:
        return self._publish(request, queryset, Publish.NO)

    @admin.action(
        description=_("Sell as the category is sold…"), permissions=["publish"]
    )
    def sell_as_category(
        self, request: HttpRequest, queryset: QuerySet[Product]
    ) -> HttpResponse | None:
        return self._publish(request, queryset, Publish.CATEGORY)

    def _publish(
        self, request: HttpRequest, queryset: QuerySet[Product], choice: Publish
    ) -> HttpResponse | None:
        title = gettext("Sell: %(choice)s") % {"choice": choice.label}
        return self._same_for_all(
            request, queryset, {"is_published": choice.value}, title=title
        )

    def _same_for_all(
        self,
        request: HttpRequest,
        queryset: QuerySet[Product],
        values: dict[str, Any],
        *,
        title: str,
    ) -> HttpResponse | None:
        pks = queryset.order_by("pk").values_list("pk", flat=True)
        wanted = dict.fromkeys(pks[: MOST_AT_ONCE + 1], values)
        return lead_on(request, table=PRODUCTS, title=title, wanted=wanted)

    def _ask(
        self,
        request: HttpRequest,
        form: forms.Form,
        queryset: QuerySet[Product],
        *,
        title: str,
    ) -> HttpResponse:
        text = gettext("First you see what would change; nothing is saved before.")
        is_across = request.POST.get("select_across") == "1"
        # Of all that the filters find, none needs to be named.
        chosen = [] if is_across else list(queryset.only("pk"))
        return ask(
            request,
            self,
            form,
            title=title,
            button=gettext("Show what changes"),
            paragraphs=[text],
            chosen=chosen,
            is_across=is_across,
        )


def _asked(queryset: QuerySet[Product], what: str) -> str:
    number = queryset.count()
    text = ngettext("%(what)s: %(n)s product", "%(what)s: %(n)s products", number)
    return text % {"what": what, "n": grouped(number)}


def _prices_title(way: PriceWay, number: Decimal | None) -> str:
    if way == PriceWay.RESET or number is None:
        return gettext("Prices back to the rules")
    shown = decimals(abs(number))
    if way == PriceWay.FIXED:
        return gettext("Fixed price: %(price)s ₸") % {"price": grouped(int(number))}
    sign = "−" if number < 0 else "+"
    unit = "%" if way == PriceWay.PERCENT else "₸"
    return gettext("Prices: %(change)s") % {"change": f"{sign}{shown}\u00a0{unit}"}
