"""What staff are asked before a button does its work."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import absolute, grouped
from catalog.models import Product
from orders.models import Step
from plumbing.redaction import redact

MOST_PLACES = 50
LONGEST_COMMENT = 1000
REASONS = (
    ("MERCHANT_OUT_OF_STOCK", _("we have run out of it (counts against the shop)")),
    ("BUYER_NOT_REACHABLE", _("the buyer cannot be reached")),
    ("BUYER_CANCELLATION_BY_MERCHANT", _("the buyer asked us (Kaspi may refuse it)")),
)


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

    def __init__(self, *args: Any, target: Step, **kwargs: Any) -> None:
        super().__init__(*args, target=target, **kwargs)
        self.fields["number"].choices = [  # type: ignore[attr-defined]
            (str(found["id"]), _candidate_words(found))
            for found in target.answered.get("candidates", [])
        ]


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


def placed_words(moment: object) -> str:
    try:
        placed = datetime.fromisoformat(str(moment))
    except ValueError:
        return ""
    if timezone.is_naive(placed):
        return str(moment)
    return absolute(placed, now=timezone.now())


def _candidate_words(found: dict[str, Any]) -> str:
    goods = ", ".join(f"{line[0]} × {line[1]}" for line in found.get("lines") or [])
    moment = placed_words(found.get("placed_at"))
    total = found.get("sum")
    parts = [f"№{found['id']}", moment, total and f"{grouped(total)} ₸", goods]
    return " · ".join(str(part) for part in parts if part)
