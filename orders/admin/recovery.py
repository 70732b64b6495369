"""The page after a restore: why nothing is sent, and what cannot be proven."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.confirming import ask
from backoffice.formatting import money, when
from backoffice.pages import log_action, report
from orders.admin.forms import ActionForm
from orders.admin.situation import time_left
from orders.models import Order, Step
from orders.plan.actions import ActionImpossible
from orders.plan.deadlines import due_now
from orders.recovery import deciding
from plumbing import epoch
from plumbing.clocks import now_to_show
from plumbing.models import Epoch
from plumbing.queue import enqueue

# Sums and numbers at Al-Style stand there: not for whoever only packs.
SEE, DECIDE = "orders.view_purchase", "orders.reserve_order"
LET_GO_ON = "bridge_site.reconcile_epoch"
ROWS_SHOWN = 200
REASONS_SHOWN = 3
BOUGHT, BUY, CARED = "bought", "buy", "cared"
WAYS: dict[str, tuple[str | Promise, str | Promise]] = {
    BOUGHT: (
        _("Bought under the number"),
        _(
            "One order: its number is looked up at Al-Style and counts when it holds "
            "just these goods. Several orders under one number: it must hold just "
            "what all of them want. Nothing is bought."
        ),
    ),
    BUY: (
        _("Not bought: reserve"),
        _(
            "You have looked into Al-Style's portal: these goods were not ordered. "
            "The bridge orders them now, for real money."
        ),
    ),
    CARED: (
        _("Taken care of"),
        _(
            "You have the goods, or get them otherwise. The bridge buys nothing and "
            "goes on with the orders."
        ),
    ),
}


def recovery_urls(wrap: Callable[..., Any]) -> list[URLPattern]:
    """Give the addresses of the page; `wrap` lets only staff in."""
    return [
        path("recovery/", wrap(show_recovery), name="recovery"),
        path("recovery/confirm/", wrap(confirm), name="recovery_confirm"),
        path("recovery/again/", wrap(run_again), name="recovery_again"),
        path("recovery/decide/", wrap(decide), name="recovery_decide"),
    ]


def show_recovery(request: HttpRequest) -> HttpResponse:
    """Show why nothing is sent, how far reconciling is, and who must be asked."""
    _require(request, SEE)
    row = Epoch.objects.first()
    guard = row if row is not None and row.is_guarded else None
    steps = list(deciding.undecided()[: ROWS_SHOWN + 1])
    progress = row.progress if row is not None else {}
    by_kaspi = due_now(now=now_to_show())
    context = {
        **admin.site.each_context(request),
        "title": gettext("Reconciling after a restore"),
        "epoch": row,
        "guard_closed": guard,
        "since": when(guard.guarded_at) if guard is not None else "",
        "known": when(guard.known_until) if guard is not None else "",
        "lifted": when(row.lifted_at) if row is not None else "",
        "run_at": when(parse_datetime(progress.get("at", ""))),
        "summary": progress.get("summary", ""),
        "lines": progress.get("lines", []),
        "needs_word": guard is not None and guard.needs_word,
        "may_let_go_on": request.user.has_perm(LET_GO_ON),
        "may_decide": request.user.has_perm(DECIDE),
        "rows": [_row(step, now=by_kaspi) for step in steps[:ROWS_SHOWN]],
        "is_cut": len(steps) > ROWS_SHOWN,
        "ways": [(way, label) for way, (label, _text) in WAYS.items()],
    }
    return TemplateResponse(request, "admin/orders/recovery.html", context)


def confirm(request: HttpRequest) -> HttpResponse:
    """Take a person's word that no other bridge is at work."""
    _require_post(request, LET_GO_ON)
    if not request.POST.get("no_other"):
        messages.error(request, gettext("Tick that no other bridge is at work."))
        return redirect("recovery")
    epoch.confirm(by=request.user.get_username())
    enqueue("orders.tasks.recover", cluster="imports")
    text = gettext("No other bridge is at work, somebody has seen to it")
    log_action(request, Epoch, text)
    messages.success(request, gettext("Noted: both sides' books are read now."))
    return redirect("recovery")


def run_again(request: HttpRequest) -> HttpResponse:
    """Have both peers' books read now."""
    _require_post(request, LET_GO_ON)
    Epoch.objects.update(progress={})
    enqueue("orders.tasks.recover", cluster="imports")
    log_action(request, Epoch, gettext("Reconcile now"))
    messages.success(request, gettext("Queued: the books are read in a minute or two."))
    return redirect("recovery")


def decide(request: HttpRequest) -> HttpResponse:
    """Ask whether it is meant, then do what was chosen for the ticked orders."""
    _require_post(request, DECIDE)
    way = request.POST.get("way", "")
    chosen = [int(pk) for pk in request.POST.getlist("step") if pk.isdecimal()]
    steps = list(deciding.undecided().filter(pk__in=chosen[:ROWS_SHOWN]))
    numbers = {s.pk: request.POST.get(f"number-{s.pk}", "").strip() for s in steps}
    if way not in WAYS or not steps:
        messages.error(request, gettext("Tick the orders first."))
        return redirect("recovery")
    if way == BOUGHT and not all(numbers.values()):
        messages.error(request, gettext("Enter Al-Style's number for each of them."))
        return redirect("recovery")
    if "sure" not in request.POST:
        return _ask(request, way, steps, numbers)
    done, refused = _do(way, steps, numbers, actor=request.user.get_username())
    label = str(WAYS[way][0])
    codes = ", ".join(step.order.code for step in done)
    log_action(request, Order, f"{label}: {codes or '—'}")
    report(request, label, done=len(done), skipped=len(steps) - len(done))
    for text in refused[:REASONS_SHOWN]:
        messages.warning(request, text)
    return redirect("recovery")


def _do(
    way: str, steps: list[Step], numbers: dict[int, str], *, actor: str
) -> tuple[list[Step], list[str]]:
    """Do it for each, those of one number together; gives who was refused and why."""
    together: dict[object, list[Step]] = defaultdict(list)
    for step in steps:
        together[numbers[step.pk] if way == BOUGHT else step.pk].append(step)
    done: list[Step] = []
    refused: list[str] = []
    for mine in together.values():
        try:
            if way == BOUGHT:
                deciding.were_bought(mine, numbers[mine[0].pk], actor=actor)
            elif way == BUY:
                deciding.buy(mine[0], actor=actor)
            else:
                deciding.take_as_cared_for(mine[0], actor=actor)
        except ActionImpossible as error:
            codes = ", ".join(step.order.code for step in mine)
            refused.append(f"{codes}: {error}")
        else:
            done += mine
    return done, refused


def _ask(
    request: HttpRequest, way: str, steps: list[Step], numbers: dict[int, str]
) -> HttpResponse:
    label, text = WAYS[way]
    hidden = [("way", way), ("sure", "1")]
    for step in steps:
        hidden += [
            ("step", str(step.pk)),
            (f"number-{step.pk}", numbers[step.pk]),
        ]
    heads = [gettext("order"), gettext("goods")]
    if way == BOUGHT:
        heads.append(gettext("number at Al-Style"))
    rows = [
        [step.order.code, ", ".join(_goods(step)), numbers[step.pk]][: len(heads)]
        for step in steps
    ]
    form: forms.Form = ActionForm()
    order_admin = admin.site.get_model_admin(Order)
    return ask(
        request,
        order_admin,
        form,
        title=str(label),
        paragraphs=[text],
        hidden=hidden,
        heads=heads,
        rows=rows,
        is_danger=way == BUY,
    )


def _row(step: Step, *, now: datetime) -> dict[str, Any]:
    found = deciding.candidates_of(step)
    return {
        "step": step,
        "order": step.order,
        "left": time_left(step.order.due_at, now=now),
        "goods": _goods(step),
        "candidates": [
            {
                "number": row["id"],
                "sum": money(row["sum"]),
                "placed": row["placed_at"] or "",
                "lines": ", ".join(f"{line[0]} × {line[1]}" for line in row["lines"]),
            }
            for row in found
        ],
        "number": found[0]["id"] if len(found) == 1 else "",
    }


def _goods(step: Step) -> list[str]:
    lines = step.order.lines.all()
    return [f"{line.name or line.sku} × {line.quantity or '?'}" for line in lines]


def _require_post(request: HttpRequest, permission: str) -> None:
    if request.method != "POST":
        raise PermissionDenied
    _require(request, permission)


def _require(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied
