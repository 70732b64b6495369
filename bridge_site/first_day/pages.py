"""The first day's pages, and what the overview says of it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Avg, Count, F, FloatField
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from backoffice.formatting import money, pill, when
from backoffice.pages import log_action
from bridge_site.first_day.checklist import FirstDay, read_first_day
from bridge_site.first_day.observed import read_observed
from bridge_site.models import FirstDayClosed
from catalog.models import Product
from feeds.models import Listing
from plumbing.leases import database_now
from plumbing.models import Heartbeat

PERMISSION = "bridge_site.examine_bridge"
CATEGORIES_SHOWN = 15


def first_day_for(request: HttpRequest) -> FirstDay | None:
    """Give the overview the checklist while its reader has any use for it."""
    if not request.user.has_perm(PERMISSION):
        return None
    first_day = read_first_day()
    return first_day if first_day.is_shown else None


def first_day_page(request: HttpRequest) -> TemplateResponse:
    """Show all items, and what the chosen categories bring."""
    _require(request)
    first_day = read_first_day()
    listed = Listing.objects.on_sale().filter(product__cost_kzt__gt=0)
    earned = Cast(F("price_kzt") - F("product__cost_kzt"), FloatField())
    categories = (
        listed.values("product__category__path")
        .annotate(n=Count("pk"), margin=Avg(100.0 * earned / F("price_kzt")))
        .order_by("-n")[:CATEGORIES_SHOWN]
    )
    return _page(
        request,
        "bridge/first_day.html",
        _("First day"),
        first_day=first_day,
        rows=[(item, pill(item.state, item.tone)) for item in first_day.items],
        categories=[
            (row["product__category__path"], row["n"], round(row["margin"]))
            for row in categories
        ],
        quarantined=Product.objects.quarantined().count(),
    )


def observed_page(request: HttpRequest) -> TemplateResponse:
    """Show what would have been done."""
    _require(request)
    observed = read_observed()
    return _page(
        request,
        "bridge/observed.html",
        _("What would be done"),
        observed=observed,
        since=when(observed.since),
        cost=money(observed.cost_kzt),
        orders=[(order, when(order.accept_by), s) for order, s in observed.orders],
    )


@require_POST
def close_first_day(request: HttpRequest) -> HttpResponseBase:
    """Put the checklist away, or bring it back."""
    _require(request)
    assert isinstance(request.user, User)  # noqa: S101  (the admin let them in)
    if request.POST.get("open"):
        FirstDayClosed.objects.all().delete()
        text = _("The first day's checklist is shown again")
    else:
        FirstDayClosed.objects.create(closed_at=database_now(), closed_by=request.user)
        text = _("The first day's checklist is put away")
    log_action(request, Heartbeat, text)
    messages.success(request, text)
    return redirect("first_day")


def _page(
    request: HttpRequest, template: str, title: str, **context: Any
) -> TemplateResponse:
    site = admin.site.each_context(request)
    return TemplateResponse(request, template, {**site, "title": title, **context})


def _require(request: HttpRequest) -> None:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
