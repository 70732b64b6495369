"""The card of an order that needs a person: cause, figures, ways out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from backoffice.formatting import absolute, ago, figure, money, stock_text
from backoffice.pages import Button
from catalog.models import Product
from catalog.rules import RuleBook
from catalog.similar import similar_goods
from orders.admin.buttons import (
    FIGURES,
    ORDER_BUTTONS,
    OrderButton,
    Target,
    is_watched,
)
from orders.admin.full_order import FullOrder
from orders.admin.moments import Moments
from orders.admin.profit import profit_today
from orders.admin.reasons import CURES, Cure, Way
from orders.admin.situation import (
    sees_money,
    stuck_reason,
    time_left,
    without_sums,
)
from orders.admin.watched import candidate_rows, watched_calls
from orders.models import Finding, OrderLine, Purchase, Reason, Step
from orders.money.lines import line_total
from plumbing.redaction import redact

SIMILAR_SHOWN = 4
URL_NAMES = {"order": "act_on_order", "step": "act_on_step", "line": "act_on_line"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A way out as this person may go it now."""

    way: Way
    target: Target

    @property
    def button(self) -> OrderButton:
        return self.way.button

    @property
    def then(self) -> str:
        """What comes of it."""
        return str(self.way.then or self.button.text)

    def as_button(self, *, is_main: bool) -> Button:
        name = URL_NAMES[self.way.of]
        return self.button.at(name, self.target.pk, is_main=is_main)


def cures_of(step: Step) -> list[Cure]:
    """List what a stuck step's reason means; of a comparison, each thing it found."""
    if step.kind == Step.Kind.CHECK:
        kinds = Finding.objects.open().filter(step=step).order_by("pk")
        found = dict.fromkeys(kinds.values_list("kind", flat=True))
        if found:
            return [CURES[Reason(kind)] for kind in found]
    return [CURES[step.stuck_for]]


def offers_of(request: HttpRequest, full: FullOrder, step: Step) -> list[Offer]:
    """List the ways out that fit, the recommended one first."""
    offers: dict[str, Offer] = {}
    for cure in cures_of(step):
        for way, target in cure.offered(request, full, step):
            offers.setdefault(way.code, Offer(way=way, target=target))
    return [*offers.values()]


def cards(
    request: HttpRequest,
    full: FullOrder,
    *,
    book: RuleBook,
    moments: Moments,
) -> list[dict[str, Any]]:
    """Describe what the order waits for a person for, a card for each stuck step."""
    shown = [_card(request, full, step, now=moments.now) for step in full.stuck]
    if not sees_money(request):
        for card in shown:
            card |= {"candidates": [], "watched": [], "similar": []}
            card["said"] = without_sums(card["said"])
        return shown
    if shown and full.needs_goods:
        # The same for all of them: said once.
        shown[0]["figures"] = _figures(full, book=book, moments=moments)
        read = ORDER_BUTTONS[FIGURES]
        if read.is_for(request):
            button = read.at(URL_NAMES["order"], full.order.pk, is_main=False)
            shown[0]["read_figures"] = button
    return shown


def _card(
    request: HttpRequest, full: FullOrder, step: Step, *, now: datetime
) -> dict[str, Any]:
    cures = cures_of(step)
    offers = offers_of(request, full, step)
    first, others = offers[:1], offers[1:]
    wants_goods = any(cure.wants_goods for cure in cures) and full.needs_goods
    return {
        "title": cures[0].reason.label,
        "step": step.get_kind_display(),
        "said": said_of(step, cures[0]),
        "means": [cure.means for cure in cures],
        "main": [offer.as_button(is_main=True) for offer in first],
        "then": first[0].then if first else "",
        "others": [offer.as_button(is_main=False) for offer in others],
        "candidates": candidate_rows(
            step.answered.get("candidates") or step.answered.get("maybe_bought") or []
        ),
        "watched": _watched_of(step, now=now),
        "similar": list(_similar_to(full)) if wants_goods else [],
    }


def said_of(step: Step, cure: Cure) -> str:
    """Give what is to be said of this case beside the reason's own sentence."""
    said = redact(step.last_error).strip()
    if cure.reason == Reason.OTHER:
        return stuck_reason(step)
    return "" if said == str(cure.reason.label) else said


def _watched_of(step: Step, *, now: datetime) -> list[dict[str, Any]]:
    if not is_watched(step):
        return []
    paused = Purchase.objects.paused().filter(reservations__order=step.order_id)
    purchase = paused.first()
    return list(watched_calls(purchase, now=now)) if purchase else []


def _figures(full: FullOrder, *, book: RuleBook, moments: Moments) -> dict[str, Any]:
    """Give the figures to decide by, with the moment they are of."""
    read, now = moments.stock_read_at, moments.now
    as_of = ""
    if read is not None:
        figures = {"moment": absolute(read, now=now), "ago": ago(read, now=now)}
        as_of = _("as of %(moment)s, %(ago)s") % figures
    left = profit_today(full, book=book).total
    return {
        "as_of": as_of,
        "left": time_left(full.order.due_at, now=moments.by_kaspi),
        "margin": money(left),
        "is_loss": left is not None and left < 0,
        "lines": [_line_figures(line) for line in full.lines],
    }


def _line_figures(line: OrderLine) -> dict[str, Any]:
    product = line.product
    return {
        "name": line.name or (product.name if product else "") or line.sku or "—",
        "quantity": figure(line.quantity),
        "stock": _stock(product) if product else figure(None),
        "is_short": product is not None and product.stock < (line.quantity or 0),
        "cost": money(product.cost_kzt if product else None),
        "price": money(line.price_kzt or line_total(line)),
    }


def _stock(product: Product) -> str:
    return stock_text(product.stock, is_lower_bound=product.stock_is_lower_bound)


def _similar_to(full: FullOrder) -> Iterator[dict[str, Any]]:
    """Find goods that may serve instead of those that are short, or of all."""
    lines = [x for x in full.lines if x.product is not None and x.quantity]
    short = [x for x in lines if x.product and x.product.stock < (x.quantity or 0)]
    for line in short or lines:
        product = line.product
        if product is None:
            continue
        goods = similar_goods(product, pieces=line.quantity or 1, limit=SIMILAR_SHOWN)
        if goods:
            yield {
                "instead_of": line.name or product.name,
                "goods": [_good(good, line) for good in goods],
            }


def _good(good: Product, line: OrderLine) -> dict[str, SafeString | str]:
    return {
        "name": good.name,
        "url": reverse("admin:catalog_product_change", args=[good.pk]),
        "article": good.article,
        "brand": good.brand,
        "stock": _stock(good),
        "cost": money(good.cost_kzt),
        "price": money(good.price_kzt),
    }


def links_of(full: FullOrder) -> list[tuple[str, str]]:
    """Give the places outside where people see the order: label and address."""
    code = full.order.code
    url = settings.KASPI_CABINET_URL.replace("{code}", code)
    links = [(_("Order %(code)s in Kaspi's cabinet") % {"code": code}, url)]
    supplied = full.supplier_order
    if supplied is not None and settings.ALSTYLE_PORTAL_URL:
        text = _("Order %(number)s in Al-Style's portal") % {"number": supplied}
        links.append((text, settings.ALSTYLE_PORTAL_URL))
    return links if url else links[1:]
