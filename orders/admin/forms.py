"""What staff are asked before a button does its work."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import absolute, grouped
from catalog.models import Product
from orders.models import Order, OrderLine, Purchase, Step
from plumbing.clocks import now_to_show
from plumbing.redaction import redact

MOST_PLACES = 50
MOST_SIM_CARDS = 2
MOST_GRAMS = 1_000_000
LONGEST_COMMENT = 1000
REASONS = (
    ("MERCHANT_OUT_OF_STOCK", _("we have run out of it (counts against the shop)")),
    ("BUYER_NOT_REACHABLE", _("the buyer cannot be reached")),
    ("BUYER_CANCELLATION_BY_MERCHANT", _("the buyer asked us (Kaspi may refuse it)")),
)
UNDERWEIGHT = ("PRODUCT_UNDERWEIGHT", _("it weighs less than was ordered"))


class ActionForm(forms.Form):
    """Asks nothing but "really?"; knows what the button is about."""

    def __init__(self, *args: Any, target: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.target = target


class PlacesForm(ActionForm):
    places = forms.IntegerField(
        label=_("Places"),
        min_value=1,
        max_value=MOST_PLACES,
        initial=1,
        help_text=_("One label each."),
    )


class CodeForm(ActionForm):
    code = forms.RegexField(
        label=_("The buyer's code"),
        regex=r"^[0-9A-Za-z-]{3,20}$",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
        help_text=_("Kaspi has sent it to the buyer's phone."),
    )


class CancelForm(ActionForm):
    reason = forms.ChoiceField(
        label=_("Reason for Kaspi"), choices=REASONS, widget=forms.RadioSelect
    )
    comment = forms.CharField(
        label=_("Comment"),
        required=False,
        max_length=LONGEST_COMMENT,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Kaspi gets it too; at most 1000 characters."),
    )


class CloseForm(ActionForm):
    """What becomes of the goods; asked only where some are held."""

    goods = forms.ChoiceField(
        label=_("The goods at Al-Style"),
        choices=(
            ("release", _("release them: Al-Style's order is cancelled")),
            ("keep", _("keep them: we take them ourselves")),
        ),
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, target: Order, **kwargs: Any) -> None:
        super().__init__(*args, target=target, **kwargs)
        if not any(held.has_goods for held in target.reservations.open()):
            del self.fields["goods"]


class ReasonForm(ActionForm):
    reason = forms.CharField(
        label=_("Why"),
        min_length=3,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
        help_text=_("Stays in the order's history."),
    )


class NumberForm(ActionForm):
    number = forms.CharField(
        label=_("Order number at Al-Style"),
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
        help_text=_("With it the bridge follows the order like its own. May be blank."),
    )

    def clean_number(self) -> str:
        return str(self.cleaned_data["number"]).strip()


class NewPriceForm(ActionForm):
    accept_cost_kzt = forms.IntegerField(label=_("Buy for at most, ₸"))

    def __init__(self, *args: Any, target: Step, **kwargs: Any) -> None:
        super().__init__(*args, target=target, **kwargs)
        self.cost_kzt = target.answered.get("cost_kzt") or 0
        field = self.fields["accept_cost_kzt"]
        field.initial = self.cost_kzt
        # The numbers to decide by, once more.
        told = redact(target.last_error).splitlines()
        field.help_text = format_html_join("", "{}<br>", ((line,) for line in told))

    def clean_accept_cost_kzt(self) -> int:
        accepted = int(self.cleaned_data["accept_cost_kzt"])
        if accepted < self.cost_kzt:
            said = gettext("The goods cost %(cost)s ₸ today.")
            raise ValidationError(said % {"cost": grouped(self.cost_kzt)})
        return accepted


class CandidateForm(ActionForm):
    number = forms.ChoiceField(
        label=_("Orders at Al-Style that may be it"), widget=forms.RadioSelect
    )

    def __init__(self, *args: Any, target: Step | Purchase, **kwargs: Any) -> None:
        super().__init__(*args, target=target, **kwargs)
        self.fields["number"].choices = [  # type: ignore[attr-defined]
            (str(found["id"]), _candidate_words(found))
            for found in (
                target.candidates
                if isinstance(target, Purchase)
                else target.answered.get("candidates", [])
            )
        ]


class ImeiForm(ActionForm):
    """One field for each piece of a line; gives `imei`, a list for each piece."""

    def __init__(self, *args: Any, target: OrderLine, **kwargs: Any) -> None:
        super().__init__(*args, target=target, **kwargs)
        for piece in range(1, (target.quantity or 0) + 1):
            self.fields[f"piece{piece}"] = forms.CharField(
                label=gettext("Piece %(number)d") % {"number": piece},
                max_length=60,
                widget=forms.TextInput(
                    attrs={"autocomplete": "off", "autofocus": piece == 1}
                ),
                help_text=gettext(
                    "15 digits; of a device with two SIM cards both numbers, with a "
                    "blank between them."
                ),
            )

    def clean(self) -> dict[str, Any]:
        imei, seen = [], set()
        for name in self.fields:
            numbers = str(self.cleaned_data.get(name, "")).replace(",", " ").split()
            for number in numbers:
                if not is_imei(number):
                    said = gettext("%(number)s is no IMEI: a digit must be wrong.")
                    self.add_error(name, said % {"number": number})
                elif number in seen:
                    said = gettext("%(number)s stands here twice.")
                    self.add_error(name, said % {"number": number})
                seen.add(number)
            if len(numbers) > MOST_SIM_CARDS:
                self.add_error(name, gettext("A device has two numbers at most."))
            imei.append(numbers)
        return {"imei": imei}


class RemovalForm(ActionForm):
    """Asks what stays of a line; `weight_g` only where pieces do not count."""

    remained = forms.IntegerField(label=_("How many pieces stay"), min_value=0)
    weight_g = forms.IntegerField(
        label=_("Weight that stays, g"),
        min_value=0,
        max_value=MOST_GRAMS,
        help_text=_("0 removes the line."),
    )
    reason = forms.ChoiceField(label=_("Reason for Kaspi"), widget=forms.RadioSelect)
    comment = forms.CharField(
        label=_("Comment"),
        required=False,
        max_length=LONGEST_COMMENT,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, target: OrderLine, **kwargs: Any) -> None:
        super().__init__(*args, target=target, **kwargs)
        is_weighed = target.quantity is None
        reasons = [*REASONS, UNDERWEIGHT] if is_weighed else [*REASONS]
        self.fields["reason"].choices = reasons  # type: ignore[attr-defined]
        if is_weighed:
            return
        del self.fields["weight_g"]
        remained, most = self.fields["remained"], (target.quantity or 1) - 1
        remained.validators.append(MaxValueValidator(most))
        remained.widget.attrs["max"] = most
        remained.help_text = gettext("Of %(number)d; 0 removes the line.") % {
            "number": target.quantity
        }

    def clean(self) -> dict[str, Any]:
        stays = [self.cleaned_data.get(name) for name in ("remained", "weight_g")]
        others = self.target.order.lines.exclude(pk=self.target.pk)
        if 0 in stays and not others.exclude(quantity=0).exists():
            raise ValidationError(
                gettext("Nothing else is in the order: cancel it as a whole.")
            )
        return self.cleaned_data


class ProductForm(ActionForm):
    product = forms.CharField(
        label=_("Article or SKU of the product"),
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
        help_text=_("As in the list of products."),
    )

    def clean_product(self) -> Product:
        text = str(self.cleaned_data["product"]).strip()
        found = Product.objects.filter(sku=text).first()
        found = found or Product.objects.filter(article=text).first()
        if found is None:
            said = gettext("No product has the article or SKU %(text)s.")
            raise ValidationError(said % {"text": text})
        return found


# Whatever they are about, these ask the same.
SAME_FOR_MANY = (None, ActionForm, PlacesForm, CancelForm, ReasonForm)


def is_imei(text: str) -> bool:
    """Tell whether these are 15 digits of which the last one fits the others (Luhn)."""
    if not re.fullmatch(r"[0-9]{15}", text):
        return False
    doubled = [int(digit) * 2 for digit in text[1::2]]
    single = [int(digit) for digit in text[0::2]]
    return (sum(single) + sum(d // 10 + d % 10 for d in doubled)) % 10 == 0


def placed_words(moment: object) -> str:
    """Write when a candidate was placed; what names no zone stays as it is written."""
    try:
        placed = datetime.fromisoformat(str(moment))
    except ValueError:
        return str(moment or "")
    if timezone.is_naive(placed):
        return str(moment)
    return absolute(placed, now=now_to_show())


def _candidate_words(found: dict[str, Any]) -> str:
    goods = ", ".join(f"{line[0]} × {line[1]}" for line in found.get("lines") or [])
    moment = placed_words(found.get("placed_at"))
    total = found.get("sum")
    parts = [f"№{found['id']}", moment, total and f"{grouped(total)} ₸", goods]
    return " · ".join(str(part) for part in parts if part)
