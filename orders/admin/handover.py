"""The packer's pages: what leaves today, picking, the check by scanner, the sheet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import grouped
from backoffice.pages import log_objects
from orders.admin.buttons import ORDER_BUTTONS, press
from orders.admin.forms import PlacesForm
from orders.admin.full_order import load_full_order
from orders.admin.packing import parcel_rows
from orders.handover.checking import (
    Verdict,
    begin_anew,
    count_checked,
    counted_lines,
    scan,
)
from orders.handover.picking import picking_list
from orders.handover.printing import print_waybills
from orders.handover.sheet import read_sheet
from orders.handover.waiting import (
    MOST_SHOWN,
    Parcel,
    by_urgency,
    count_later,
    end_of_day,
    read_parcels,
    waiting_orders,
)
from orders.models import Order, ParcelCheck
from orders.plan.actions import ActionImpossible
from plumbing.clocks import now_to_show
from plumbing.leases import database_now

PACK, ASSEMBLE, SEE = (
    "orders.pack_order",
    "orders.assemble_order",
    "orders.view_order",
)
TODAY, ALL = "today", "all"
# Of each section; printing and picking take all that wait.
ROWS_SHOWN = 100
PAGES = (
    ("hand_over", _("Parcels"), SEE),
    ("hand_over_picking", _("Picking list"), SEE),
    ("hand_over_check", _("Check by scanner"), PACK),
    ("hand_over_sheet", _("Hand-over sheet"), SEE),
)


def may_print(request: HttpRequest) -> bool:
    """Tell whether somebody may have waybills, which name the buyer."""
    return request.user.has_perm(PACK) or request.user.has_perm(ASSEMBLE)


def handover_urls(wrap: Callable[..., Any]) -> list[URLPattern]:
    """Give the addresses of the packer's pages; `wrap` lets only staff in."""
    return [
        path("handover/", wrap(show_parcels), name="hand_over"),
        path("handover/print/", wrap(print_parcels), name="hand_over_print"),
        path(
            "handover/<int:pk>/assemble/",
            wrap(assemble_parcel),
            name="hand_over_assemble",
        ),
        path("handover/picking/", wrap(show_picking), name="hand_over_picking"),
        path("handover/check/", wrap(check_parcel), name="hand_over_check"),
        path("handover/sheet/", wrap(show_sheet), name="hand_over_sheet"),
    ]


def show_parcels(request: HttpRequest) -> HttpResponse:
    """Show what leaves: Kaspi's parcels, own deliveries, what buyers collect."""
    _require(request, SEE)
    now, scope = now_to_show(), _scope(request)
    parcels, is_cut = _read(scope, now=now)
    by_kaspi = by_urgency(p for p in parcels if p.order.is_fetched_by_kaspi)
    with_waybill = [p for p in by_kaspi if p.waybill is not None]
    without = [p for p in by_kaspi if p.waybill is None]
    fresh = [p for p in with_waybill if not p.is_printed]
    row_of = parcel_rows(request, now=now)

    def section(chosen: list[Parcel]) -> dict[str, Any]:
        return {
            "rows": [row_of(parcel) for parcel in chosen[:ROWS_SHOWN]],
            "total": len(chosen),
            "shown": ROWS_SHOWN if len(chosen) > ROWS_SHOWN else 0,
        }

    context = {
        "scope": scope,
        "later": grouped(count_later(due_from=end_of_day(now))),
        "printable": section(with_waybill),
        "without": section(without),
        "own": section([p for p in parcels if p.order.state == Order.DELIVERY]),
        "pickup": section([p for p in parcels if p.order.state == Order.PICKUP]),
        "unprinted": len(fresh),
        "unprinted_label": ngettext(
            "Print %(n)d new waybill", "Print %(n)d new waybills", len(fresh)
        )
        % {"n": len(fresh)},
        "is_cut": MOST_SHOWN if is_cut else 0,
        "may_print": may_print(request),
        "may_assemble": request.user.has_perm(ASSEMBLE),
    }
    return _page(request, "hand_over", "parcels", context, title=_("Hand-over today"))


def print_parcels(request: HttpRequest) -> HttpResponse:
    """Send the chosen parcels' waybills as one PDF and mark them printed.

    `what=new`: all of the list that are not printed yet.
    """
    if request.method != "POST" or not may_print(request):
        raise PermissionDenied
    now = database_now()
    if request.POST.get("what") == "new":
        parcels, _is_cut = _read(_scope(request), now=now)
        fetched = [p for p in parcels if p.order.is_fetched_by_kaspi]
        orders = [p.order for p in by_urgency(fetched) if not p.is_printed]
    else:
        chosen = [pk for pk in request.POST.getlist("order") if pk.isdigit()]
        parcels = read_parcels(waiting_orders().filter(pk__in=chosen[:MOST_SHOWN]))
        orders = [p.order for p in by_urgency(parcels)]
    actor = request.user.get_username()
    printed = print_waybills(orders, actor=actor, now=now)
    if not printed.pdf:
        messages.warning(request, gettext("None of these orders has a waybill yet."))
        return redirect("hand_over")
    pks = [order.pk for order in printed.orders]
    log_objects(request, Order.objects.filter(pk__in=pks), gettext("Waybills printed"))
    # Shown by the page beside, which looks again when somebody comes back to it.
    messages.success(request, printed.summary())
    return pdf_answer(printed.pdf, name="waybills.pdf")


def assemble_parcel(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask Kaspi for a parcel's waybill, for so many places."""
    if request.method != "POST" or not request.user.has_perm(ASSEMBLE):
        raise PermissionDenied
    order = get_object_or_404(Order, pk=pk)
    button, form = ORDER_BUTTONS["assemble"], PlacesForm(request.POST)
    if not button.fits(load_full_order(order), order):
        messages.error(request, gettext("This is not possible any more: look again."))
    elif not form.is_valid():
        for error in form.errors.get("places", []):
            messages.error(request, f"{order}: {error}")
    else:
        try:
            press(request, button, order, form.cleaned_data)
        except ActionImpossible as error:
            messages.error(request, f"{order}: {error}")
        else:
            said = gettext("%(code)s: Kaspi is asked for the waybill, places: %(n)d")
            figures = {"code": order, "n": form.cleaned_data["places"]}
            messages.success(request, said % figures)
    return _back_to("hand_over", request)


def show_picking(request: HttpRequest) -> HttpResponse:
    """Show what to take from the shelves; parcels checked already need nothing."""
    _require(request, SEE)
    now, scope = now_to_show(), _scope(request)
    parcels, is_cut = _read(scope, now=now)
    to_pack = [parcel for parcel in parcels if not parcel.is_checked]
    picks = picking_list(to_pack)
    context = {
        "scope": scope,
        "picks": picks,
        "has_shelves": any(pick.shelf for pick in picks),
        "pieces": grouped(sum(pick.pieces for pick in picks)),
        "parcels": len(to_pack),
        "checked": len(parcels) - len(to_pack),
        "is_cut": MOST_SHOWN if is_cut else 0,
        "printed_at": now,
    }
    title = _("Picking list")
    return _page(request, "hand_over_picking", "picking", context, title=title)


def check_parcel(request: HttpRequest) -> HttpResponse:
    """Take what a scanner typed and tell whether it belongs together.

    Asked by a script, only the panel comes back; without scripts the whole page.
    """
    _require(request, PACK)
    now, actor = database_now(), request.user.get_username()
    verdict: Verdict | None = None
    check_id = _whole(request.POST.get("check"))
    if request.method == "POST" and "anew" in request.POST:
        check = begin_anew(check_id or 0, actor=actor, now=now)
    elif request.method == "POST":
        verdict = scan(
            request.POST.get("code", ""),
            check_id=check_id,
            aside=request.POST.get("aside", ""),
            actor=actor,
            now=now,
        )
        check = verdict.check
    else:
        mine = ParcelCheck.objects.open().filter(checked_by=actor)
        check = mine.select_related("order").first()
    lines = counted_lines(check) if check else []
    context: dict[str, Any] = {
        "verdict": verdict,
        "check": check,
        "lines": lines,
        "found": sum(line.found for line in lines),
        "wanted": sum(line.wanted for line in lines),
        "places": None,
        "count": count_checked(now=now),
    }
    if check is not None:
        (parcel,) = read_parcels([check.order])
        context["places"] = parcel.places
        context["order"] = check.order
    if request.headers.get("X-Requested-With") == "scanner":
        name = "admin/orders/handover/check_panel.html"
        return TemplateResponse(request, name, context)
    title = _("Check by scanner")
    return _page(request, "hand_over_check", "check", context, title=title)


def show_sheet(request: HttpRequest) -> HttpResponse:
    """Show the sheet of a day, to be printed and signed."""
    _require(request, SEE)
    now = now_to_show()
    today = timezone.localdate(now)
    day = min(_day(request.GET.get("day", "")) or today, today)
    url = reverse("hand_over_sheet")
    context = {
        "sheet": read_sheet(day, now=now),
        "company": settings.KASPI_COMPANY,
        "before": f"{url}?day={day - timedelta(days=1):%Y-%m-%d}",
        "after": f"{url}?day={day + timedelta(days=1):%Y-%m-%d}",
        "is_today": day == today,
        "today": today,
        "printed_at": now,
    }
    title = _("Hand-over sheet")
    return _page(request, "hand_over_sheet", "sheet", context, title=title)


def pdf_answer(pdf: bytes, *, name: str) -> HttpResponse:
    """Send a PDF that the browser shows and prints."""
    answer = HttpResponse(pdf, content_type="application/pdf")
    answer["Content-Disposition"] = f'inline; filename="{name}"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _require(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _scope(request: HttpRequest) -> str:
    asked = request.POST.get("scope") or request.GET.get("scope")
    return ALL if asked == ALL else TODAY


def _read(scope: str, *, now: datetime) -> tuple[list[Parcel], bool]:
    """Read the parcels of a scope, and tell whether there are more than are shown."""
    due_before = end_of_day(now) if scope == TODAY else None
    orders = list(waiting_orders(due_before=due_before)[: MOST_SHOWN + 1])
    return read_parcels(orders[:MOST_SHOWN]), len(orders) > MOST_SHOWN


def _back_to(name: str, request: HttpRequest) -> HttpResponse:
    return redirect(f"{reverse(name)}?scope={_scope(request)}")


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 19 else None


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None


def _page(
    request: HttpRequest,
    page: str,
    template: str,
    context: dict[str, Any],
    *,
    title: object,
) -> HttpResponse:
    pages = [
        {"url": reverse(name), "label": label, "is_this": name == page}
        for name, label, permission in PAGES
        if request.user.has_perm(permission)
    ]
    context = {
        **admin.site.each_context(request),
        "title": title,
        "pages": pages,
        **context,
    }
    return TemplateResponse(request, f"admin/orders/handover/{template}.html", context)
