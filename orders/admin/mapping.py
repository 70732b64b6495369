"""Lets a person say which product a line is, and remembers it for its SKU."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin import ModelAdmin
from django.db import transaction
from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backoffice.formatting import figure, grouped, money, stock_text
from catalog.admin.searching import matching
from catalog.models import Product
from orders.models import Order, OrderLine, SkuMapping, Step
from orders.plan.actions import ActionImpossible, request_step, retry_step
from orders.plan.events import record
from orders.plan.planning import replan
from plumbing.leases import database_now

SHOWN = 20
# Of a line's name, the most that a first guess looks for.
WORDS_GUESSED = 5


def map_line(line: OrderLine, product: Product, *, actor: str) -> None:
    """Note the line's product, remember it, and let what waited for it go on.

    So do other open orders whose lines have the same SKU.
    """
    with transaction.atomic():
        _map(line, product, actor=actor)
        if not line.sku:
            return
        noted = {"product": product, "noted_at": database_now(), "noted_by": actor}
        SkuMapping.objects.update_or_create(sku=line.sku, defaults=noted)
        for other in waiting_for(line.sku).exclude(pk=line.pk).order_by("order_id"):
            _map(other, product, actor=actor)


def waiting_for(sku: str) -> Any:
    """Give the lines of open orders that wait for the product of a SKU."""
    lines = OrderLine.objects.filter(sku=sku, product__isnull=True)
    return lines.filter(order__ended_at__isnull=True)


def _map(line: OrderLine, product: Product, *, actor: str) -> None:
    order = Order.objects.select_for_update().get(pk=line.order_id)
    unmapped = OrderLine.objects.filter(pk=line.pk, product__isnull=True)
    # An unreadable quantity stays a problem whatever the product is.
    values = {"product": product, **({"problem": ""} if line.quantity else {})}
    if not unmapped.update(**values):
        raise ActionImpossible(_("The line has its product already"))
    name = line.sku or line.entry_id
    if line.quantity:
        # The other lines' problems stand: each is a line of its own.
        left = [p for p in order.problem.splitlines() if not p.startswith(f"{name}: ")]
        order.problem = "\n".join(left)
        order.save(update_fields=["problem"])
    text = _("%(name)s is %(product)s")
    figures = {"name": name, "product": f"{product.article} {product.name}"}
    record(order, text % figures, now=database_now(), actor=actor)
    if order.cause_to_look(order.lines.all()) is None:
        _go_on(order, actor=actor)
    # What the line brings is known now.
    replan(order, now=database_now(), actor=actor)


def _go_on(order: Order, *, actor: str) -> None:
    """Reserve what waited for nothing but the product."""
    reserving = order.steps.of_kind(Step.Kind.RESERVE)
    stuck = reserving.stuck().first()
    if stuck is not None:
        if not stuck.answered.get("candidates"):
            retry_step(stuck, actor=actor)
        return
    is_asked = reserving.asked().exists()
    is_held = any(held.has_goods for held in order.reservations.open())
    is_needed = not order.is_over and order.handed_over_at is None
    if settings.AUTO_RESERVE and is_needed and not (is_asked or is_held):
        request_step(order, Step.Kind.RESERVE, actor=actor)


def choose_product(
    request: HttpRequest,
    model_admin: ModelAdmin[Any],
    line: OrderLine,
    *,
    form: forms.Form,
) -> HttpResponse:
    """Show the page on which a line's product is looked for and chosen."""
    query = request.GET.get("q", "").strip()
    found = _found(query) if query else _guessed(line)
    others = waiting_for(line.sku).exclude(pk=line.pk).values("order").distinct()
    n = others.count() if line.sku else 0
    text = ngettext(
        "%(n)s more order waits for this SKU: it goes on as well.",
        "%(n)s more orders wait for this SKU: they go on as well.",
        n,
    )
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Which product is it?"),
        "subtitle": None,
        "opts": model_admin.opts,
        "order": line.order,
        "line": line,
        "quantity": figure(line.quantity),
        "price": money(line.price_kzt),
        "query": query,
        "is_guess": not query,
        "errors": form.errors.get("product", []),
        "rows": [_row(product, line) for product in found],
        "also": text % {"n": grouped(n)} if n else "",
        "list_url": reverse("admin:orders_order_changelist"),
        "back_url": reverse("admin:orders_order_change", args=[line.order_id]),
    }
    return TemplateResponse(request, "admin/orders/choose_product.html", context)


def _found(query: str) -> list[Product]:
    return _those(matching(query) | Q(article=query) | Q(sku=query))


def _guessed(line: OrderLine) -> Sequence[Product]:
    """Guess by the line's SKU, then by fewer and fewer words of its name."""
    for condition in _guesses(line):
        if found := _those(condition):
            return found
    return []


def _guesses(line: OrderLine) -> Iterator[Q]:
    if line.sku:
        yield Q(article=line.sku) | Q(part_number__iexact=line.sku)
    words = re.findall(r"[\w-]{2,}", line.name)[:WORDS_GUESSED]
    # What has digits names a model.
    models = [word for word in words if re.search(r"\d", word)]
    if models:
        yield matching(" ".join(models))
    for number in range(len(words), 0, -1):
        yield matching(" ".join(words[:number]))


def _those(condition: Q) -> list[Product]:
    found = Product.objects.filter(condition)
    return list(found.order_by(F("gone_at").asc(nulls_first=True), "-stock")[:SHOWN])


def _row(product: Product, line: OrderLine) -> dict[str, Any]:
    pieces = line.quantity or 0
    shown = stock_text(product.stock, is_lower_bound=product.stock_is_lower_bound)
    cost = product.cost_kzt
    return {
        "product": product,
        "url": reverse("admin:catalog_product_change", args=[product.pk]),
        "stock": shown,
        "is_short": product.gone_at is not None or product.stock < pieces,
        "cost": money(cost),
        "sum": money(cost * pieces if cost and pieces else None),
    }
