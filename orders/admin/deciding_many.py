"""Lets a person decide about many stuck orders at once: choose, look, confirm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backoffice.confirming import ask
from backoffice.formatting import grouped
from backoffice.pages import report
from orders.admin.buttons import OrderButton, press
from orders.admin.deciding import Offer, offers_of
from orders.admin.forms import ActionForm
from orders.admin.full_order import FullOrder, load_full_order
from orders.models import Order, Step
from orders.plan.actions import ActionImpossible

REASONS_SHOWN = 3
# The way that was chosen, whether it was confirmed, and what was shown of each order.
WAY, SURE, SHOWN = "way", "sure", "shown"


@dataclass(slots=True, kw_only=True)
class _Choice:
    """A way out and the orders whose stuck steps it fits."""

    button: OrderButton
    offers: list[tuple[FullOrder, Step, Offer]] = field(default_factory=list)
    # Orders for which it is the way to recommend.
    recommended: set[int] = field(default_factory=set)

    @property
    def orders(self) -> set[int]:
        return {full.order.pk for full, _step, _offer in self.offers}

    @property
    def usefulness(self) -> tuple[int, int]:
        return len(self.recommended), len(self.orders)


def decide_many(
    request: HttpRequest, model_admin: ModelAdmin[Order], orders: Sequence[Order]
) -> HttpResponse | None:
    """Ask which way out, then what it asks, then do it; None when done."""
    fulls = [load_full_order(order) for order in orders]
    choices = _choices(request, fulls)
    if not choices:
        text = _("No way out serves several of these orders: open them one by one.")
        messages.warning(request, text)
        return None
    code = request.POST.get(WAY, "")
    if code not in choices:
        return _ask_which(request, model_admin, orders, choices)
    button = choices[code].button
    form_class = button.form if button.answers is None else None
    is_sure = SURE in request.POST
    form = (form_class or ActionForm)(request.POST if is_sure else None)
    if form.is_valid():
        _press_each(request, choices[code], form.cleaned_data, all_=len(orders))
        return None
    return _ask_whether(request, model_admin, fulls, choices[code], form, code)


def _choices(request: HttpRequest, fulls: Sequence[FullOrder]) -> dict[str, _Choice]:
    """Give the ways out that ask the same of every order, the most useful first."""
    found: dict[str, _Choice] = {}
    for full in fulls:
        for step in full.stuck:
            for place, offer in enumerate(offers_of(request, full, step)):
                if offer.button.asks_the_same:
                    choice = _Choice(button=offer.button)
                    choice = found.setdefault(offer.way.code, choice)
                    choice.offers.append((full, step, offer))
                    if place == 0:
                        choice.recommended.add(full.order.pk)
    by_use = sorted(found.items(), key=lambda item: item[1].usefulness, reverse=True)
    return dict(by_use)


def _ask_which(
    request: HttpRequest,
    model_admin: ModelAdmin[Order],
    orders: Sequence[Order],
    choices: dict[str, _Choice],
) -> HttpResponse:
    class WayForm(forms.Form):
        way = forms.ChoiceField(
            label=_("Way out"),
            widget=forms.RadioSelect,
            choices=[
                (code, _words(choice, all_=len(orders)))
                for code, choice in choices.items()
            ],
        )

    is_answer = WAY in request.POST
    return ask(
        request,
        model_admin,
        WayForm(request.POST if is_answer else None),
        title=_("Decide about the orders"),
        button=_("Next"),
        paragraphs=[_("Nothing is done yet: you see next what happens to each order.")],
        chosen=orders,
    )


def _words(choice: _Choice, *, all_: int) -> str:
    text = _("%(title)s: fits %(n)s of %(all)s")
    if choice.recommended:
        text = _("%(title)s: fits %(n)s of %(all)s, recommended for %(best)s")
    figures = {
        "title": choice.button.title,
        "n": grouped(len(choice.orders)),
        "all": grouped(all_),
        "best": grouped(len(choice.recommended)),
    }
    return text % figures


def _ask_whether(
    request: HttpRequest,
    model_admin: ModelAdmin[Order],
    fulls: Sequence[FullOrder],
    choice: _Choice,
    form: forms.Form,
    code: str,
) -> HttpResponse:
    n = len(choice.orders)
    text = ngettext("%(n)s order of %(all)s.", "%(n)s orders of %(all)s.", n)
    figures = {"n": grouped(n), "all": grouped(len(fulls))}
    shown = [_filled_in(offer) for _full, _step, offer in choice.offers]
    return ask(
        request,
        model_admin,
        form,
        title=choice.button.title,
        paragraphs=[choice.button.text, text % figures],
        chosen=[full.order for full in fulls],
        hidden=[
            *((WAY, code), (SURE, "1")),
            *((SHOWN, filled_in) for filled_in in shown if filled_in),
        ],
        heads=[_("order"), _("why it waits"), _("what happens")],
        rows=[_row(full, choice) for full in fulls],
        is_danger=choice.button.is_danger,
    )


def _row(full: FullOrder, choice: _Choice) -> list[str]:
    mine = [(step, offer) for f, step, offer in choice.offers if f is full]
    if not mine:
        causes = [str(step.stuck_for.label) for step in full.stuck]
        said = _("does not fit: left as it is")
        return [full.order.code, "; ".join(causes) or "—", said]
    causes = [str(step.stuck_for.label) for step, _offer in mine]
    happens = dict.fromkeys(_what_happens(offer) for _step, offer in mine)
    return [full.order.code, "; ".join(causes), " ".join(happens)]


def _what_happens(offer: Offer) -> str:
    button = offer.button
    if button.answers is None:
        return offer.then or button.title
    # Filled in for each by itself: the sum it is about.
    told = ", ".join(grouped(value) for value in button.answers(offer.target).values())
    return f"{offer.then} {told} ₸".strip()


def _filled_in(offer: Offer) -> str:
    """Write down what the button fills in for its row by itself; empty = nothing."""
    target, answers = offer.target, offer.button.answers
    return f"{target.pk}: {answers(target)}" if answers else ""


def _press_each(
    request: HttpRequest, choice: _Choice, answers: dict[str, object], *, all_: int
) -> None:
    done: set[int] = set()
    refused: list[str] = []
    pressed: set[tuple[str, int]] = set()
    shown = request.POST.getlist(SHOWN)
    for full, _step, offer in choice.offers:
        target = offer.target
        about = (type(target).__name__, target.pk)
        if about in pressed:
            # The order's own button, offered by two of its steps.
            continue
        pressed.add(about)
        filled_in = _filled_in(offer)
        if filled_in and filled_in not in shown:
            text = _("the sum is another than was shown: look again")
            refused.append(f"{full.order.code}: {text}")
            continue
        given = choice.button.answers(target) if choice.button.answers else answers
        try:
            press(request, choice.button, target, given)
        except ActionImpossible as error:
            refused.append(f"{full.order.code}: {error}")
        else:
            done.add(full.order.pk)
    report(request, choice.button.title, done=len(done), skipped=all_ - len(done))
    for reason in refused[:REASONS_SHOWN]:
        messages.warning(request, reason)
