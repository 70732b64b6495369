"""Carries out a way out: asks where it must, acts once, and leaves its traces."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from backoffice.pages import log_objects
from orders.admin.standing import read_standing
from orders.admin.ways import Data, Way, order_of
from orders.models import Order, OrderEvent, OrderLine, Step
from orders.plan.actions import ActionImpossible
from orders.plan.events import record
from plumbing.leases import database_now

CONFIRM = "admin/orders/confirm.html"


def take(
    request: HttpRequest, way: Way, target: Order | Step | OrderLine, *, site: AdminSite
) -> HttpResponse:
    """Answer a button: act, or first show the page that asks."""
    if not request.user.has_perm(way.codename):
        raise PermissionDenied
    order = order_of(target)
    if way.form is None and request.method != "POST":
        raise PermissionDenied
    if not way.fits(read_standing(order), target):
        messages.error(request, _("This is not possible any more: look again."))
        return redirect("admin:orders_order_change", order.pk)
    if way.form is None:
        return _act(request, way, target, {})
    form = way.form(request.POST if request.method == "POST" else None, target=target)
    if request.method == "POST" and form.is_valid():
        return _act(request, way, target, form.cleaned_data)
    context = {
        **site.each_context(request),
        "title": title_of(way),
        "subtitle": None,
        "text": way.text,
        "form": form,
        "is_danger": way.is_danger,
        "order": order,
        "what": str(target),
        "back_url": reverse("admin:orders_order_change", args=[order.pk]),
        "opts": Order._meta,
    }
    return TemplateResponse(request, CONFIRM, context)


def title_of(way: Way) -> str:
    """Give the button's words without the dots that say that it asks first."""
    return str(way.label).rstrip("…")


def _act(
    request: HttpRequest, way: Way, target: Order | Step | OrderLine, data: Data
) -> HttpResponse:
    order, title = order_of(target), title_of(way)
    try:
        act_once(request, way, target, data)
    except ActionImpossible as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Noted: %(what)s") % {"what": title})
    return redirect("admin:orders_order_change", order.pk)


def act_once(
    request: HttpRequest, way: Way, target: Order | Step | OrderLine, data: Data
) -> None:
    """Do it, with a line in the admin's log and one in the order's trail.

    Raises `ActionImpossible`; nothing is changed then.
    """
    actor = request.user.get_username()
    order, title = order_of(target), title_of(way)
    with transaction.atomic():
        trail = OrderEvent.objects.filter(order=order)
        newest = trail.order_by("-pk").values_list("pk", flat=True).first() or 0
        way.act(target, data, actor)
        if not trail.filter(pk__gt=newest, actor=actor).exists():
            record(order, title, now=database_now(), actor=actor)
        log_objects(request, Order.objects.filter(pk=order.pk), _log_text(title, data))


def _log_text(title: str, data: Data) -> str:
    """Say what was answered; the buyer's code stays out of the log."""
    told: dict[str, Any] = {k: v for k, v in data.items() if k != "code" and v}
    words = ", ".join(str(value) for value in told.values())
    return f"{title}: {words}" if words else title
