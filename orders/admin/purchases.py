"""What was bought at Al-Style and how: purchases, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.confirming import answer_form, ask
from backoffice.formatting import Tone, figure, money, pill, two_lines, when
from backoffice.pages import Button, ReadOnlyAdmin, log_objects
from orders.admin.buttons import PURCHASE_BUTTONS, offered, press
from orders.admin.full_order import load_full_order
from orders.admin.journals import order_link
from orders.admin.panels import purchase_link, supplier_link
from orders.admin.situation import fact_value, purchase_pill, shortened
from orders.admin.watched import candidate_rows, watched_calls
from orders.models import LearnedFact, Purchase
from orders.plan.actions import ActionImpossible, note_fact
from orders.supply.learning import CAREFUL_SIDE
from plumbing.clocks import now_to_show
from plumbing.redaction import redact


@admin.register(Purchase)
class PurchaseAdmin(ReadOnlyAdmin[Purchase]):
    change_form_template = "admin/orders/purchase/change_form.html"
    list_display = (
        "show_number",
        "show_orders",
        "show_status",
        "show_goods",
        "sum_money",
        "show_supplier_order",
        "show_reason",
        "show_begun",
    )
    list_display_links = None
    list_filter = ("status", "created_at")
    list_select_related = ("supplier_order",)
    search_fields = (
        "reservations__order__code",
        "number",
        "supplier_order__supplier_order_id",
    )
    search_help_text = _("Order code or number at Al-Style")
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Purchase]:
        return super().get_queryset(request).prefetch_related("reservations__order")

    @admin.display(description=_("purchase"), ordering="pk")
    def show_number(self, obj: Purchase) -> SafeString:
        return purchase_link(obj)

    @admin.display(description=_("orders"))
    def show_orders(self, obj: Purchase) -> SafeString:
        links = ((order_link(r.order),) for r in obj.reservations.all())
        return format_html_join(", ", "{}", links)

    @admin.display(description=_("status"), ordering="status")
    def show_status(self, obj: Purchase) -> SafeString:
        return purchase_pill(obj)

    @admin.display(description=_("goods"))
    def show_goods(self, obj: Purchase) -> SafeString:
        return format_html_join(
            ", ", '<span class="num">{} × {}</span>', obj.quantities.items()
        )

    @admin.display(description=_("sum, ₸"), ordering="sum_kzt")
    def sum_money(self, obj: Purchase) -> SafeString:
        return figure(obj.sum_kzt)

    @admin.display(description=_("order at Al-Style"))
    def show_supplier_order(self, obj: Purchase) -> SafeString:
        if obj.supplier_order is None:
            return figure(None)
        return supplier_link(obj.supplier_order)

    @admin.display(description=_("reason"))
    def show_reason(self, obj: Purchase) -> SafeString:
        said = redact(obj.reason)
        return format_html('<span title="{}">{}</span>', said, shortened(said))

    @admin.display(description=_("begun"), ordering="created_at")
    def show_begun(self, obj: Purchase) -> SafeString:
        return when(obj.created_at)

    def get_fieldsets(self, request: HttpRequest, obj: Purchase | None = None) -> Any:
        # The panels tell it all, in words.
        return ()

    def object_buttons(self, request: HttpRequest, obj: Purchase) -> list[Button]:
        order = obj.first_order
        if order is None:
            return []
        buttons = offered(request, PURCHASE_BUTTONS, load_full_order(order), obj)
        return [
            button.at("act_on_purchase", obj.pk, is_main=place == 0)
            for place, button in enumerate(buttons)
        ]

    def panels(self, request: HttpRequest, obj: Purchase) -> dict[str, Any]:
        return purchase_panels(obj, now=now_to_show())

    def get_urls(self) -> list[URLPattern]:
        act = self.admin_site.admin_view(self.act)
        route = path("<int:pk>/do/<slug:slug>/", act, name="act_on_purchase")
        return [route, *super().get_urls()]

    def act(self, request: HttpRequest, pk: int, slug: str) -> HttpResponse:
        """Answer a button of a purchase: act, or ask first."""
        if slug not in PURCHASE_BUTTONS:
            raise Http404
        button = PURCHASE_BUTTONS[slug]
        purchase = get_object_or_404(Purchase, pk=pk)
        is_get_without_form = button.form is None and request.method != "POST"
        if is_get_without_form or not button.is_for(request):
            raise PermissionDenied
        answers = {}
        order = purchase.first_order
        if order is None or not button.fits(load_full_order(order), purchase):
            messages.error(
                request, gettext("This is not possible any more: look again.")
            )
            return redirect("admin:orders_purchase_change", pk)
        if button.form is not None:
            form = answer_form(request, button.form, target=purchase)
            if not form.is_valid():
                return ask(
                    request,
                    self,
                    form,
                    title=button.title,
                    paragraphs=[_purchase_name(purchase), button.text],
                    about=purchase,
                    is_danger=button.is_danger,
                )
            answers = form.cleaned_data
        try:
            press(request, button, purchase, answers)
        except ActionImpossible as error:
            messages.error(request, str(error))
        else:
            noted = gettext("Noted: %(what)s") % {"what": button.title}
            messages.success(request, noted)
        return redirect("admin:orders_purchase_change", pk)


def _purchase_name(purchase: Purchase) -> SafeString:
    text = gettext("Purchase %(purchase)s") % {"purchase": purchase}
    return format_html('<b class="num">{}</b>', text)


def purchase_panels(purchase: Purchase, *, now: datetime) -> dict[str, Any]:
    """Give the purchase's page what it shows."""
    reservations = purchase.reservations.select_related("order").order_by("pk")
    return {
        "status_pill": purchase_pill(purchase),
        "orders": [order_link(r.order) for r in reservations],
        "fact_rows": list(_fact_rows(purchase, now=now)),
        "goods": list(_goods(purchase)),
        "submits": [_moment(sent, now=now) for sent in purchase.submits],
        "readings": [
            (_moment(seen["at"], now=now), _words(seen["rows"]))
            for seen in purchase.cart_since
        ],
        "watched": list(watched_calls(purchase, now=now)),
        "candidates": candidate_rows(purchase.candidates),
        "ruled_out": purchase.ruled_out,
        "reason": redact(purchase.reason),
        "is_bad": purchase.status == Purchase.Status.NEEDS_PERSON,
    }


def _fact_rows(purchase: Purchase, *, now: datetime) -> Iterator[tuple[str, object]]:
    known_by = {
        "answer": gettext("Al-Style's answer"),
        "evidence": gettext("its lists of orders"),
    }
    adopted = known_by.get(purchase.adopted_by, purchase.adopted_by)
    supplied = purchase.supplier_order
    rows: list[tuple[str, object]] = [
        (gettext("sum"), money(purchase.sum_kzt)),
        (gettext("sent along"), purchase.reference),
        (gettext("begun"), when(purchase.created_at, now=now)),
        (gettext("number answered"), purchase.number),
        (gettext("number chosen"), not supplied and purchase.chosen),
        (gettext("order at Al-Style"), supplied and supplier_link(supplied)),
        (gettext("known by"), adopted),
        (gettext("settled"), purchase.settled_at and when(purchase.settled_at)),
        (gettext("order read"), purchase.verified_at and when(purchase.verified_at)),
        (gettext("lists searched"), purchase.looks),
    ]
    yield from ((name, value) for name, value in rows if value)


def _goods(purchase: Purchase) -> Iterator[dict[str, object]]:
    """Compare what was put in with the cart before and after; others' rows too."""
    before, after = purchase.cart_before, purchase.cart_after
    foreign = purchase.foreign_goods
    costs = {article: cost for article, _number, cost in purchase.lines}
    names = [*purchase.quantities]
    names += sorted({*(before or {}), *(after or {})} - set(names))
    for name in names:
        yield {
            "article": name,
            "wanted": figure(purchase.quantities.get(name)),
            "cost": money(costs.get(name)),
            "before": figure(None if before is None else before.get(name, 0)),
            "after": figure(None if after is None else after.get(name, 0)),
            "is_foreign": name in foreign,
        }


def _moment(text: str, *, now: datetime) -> SafeString:
    return when(datetime.fromisoformat(text), now=now)


def _words(rows: dict[str, int]) -> str:
    goods = ", ".join(f"{article} × {number}" for article, number in rows.items())
    return goods or gettext("empty")


@admin.register(LearnedFact)
class LearnedFactAdmin(ReadOnlyAdmin[LearnedFact]):
    change_list_template = "admin/orders/learnedfact/change_list.html"
    list_display = (
        "show_name",
        "show_value",
        "show_previous",
        "confirmations_count",
        "show_evidence",
        "show_learned",
    )
    list_display_links = None
    ordering = ("name",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        known = set(LearnedFact.objects.values_list("name", flat=True))
        unlearned = [
            (LearnedFact.Name(name).label, careful)
            for name, careful in CAREFUL_SIDE.items()
            if name not in known
        ]
        context = {"unlearned": unlearned, **(extra_context or {})}
        return super().changelist_view(request, context)

    def page_buttons(self, request: HttpRequest) -> list[Button]:
        if not request.user.has_perm("orders.settle_purchase"):
            return []
        return [
            Button(
                label=gettext("Noted: %(what)s") % {"what": fact.get_name_display()},
                url=reverse("admin:note_fact", args=[fact.pk]),
            )
            for fact in LearnedFact.objects.changed()
        ]

    def get_urls(self) -> list[URLPattern]:
        noted = self.admin_site.admin_view(self.noted)
        return [path("<str:pk>/noted/", noted, name="note_fact"), *super().get_urls()]

    def noted(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Take note of a change: it stays shown, but asks for nobody any more."""
        self.require(request, "orders.settle_purchase")
        fact = get_object_or_404(LearnedFact, pk=pk)
        note_fact(fact, actor=request.user.get_username())
        log_objects(request, LearnedFact.objects.filter(pk=pk), gettext("Noted"))
        return redirect("admin:orders_learnedfact_changelist")

    @admin.display(description=_("what"), ordering="name")
    def show_name(self, obj: LearnedFact) -> SafeString:
        return format_html("<b>{}</b>", obj.get_name_display())

    @admin.display(description=_("value"))
    def show_value(self, obj: LearnedFact) -> SafeString:
        shown = fact_value(obj.value)
        if obj.is_news:
            return pill(shown, Tone.WARN)
        return format_html('<span class="long">{}</span>', redact(shown))

    @admin.display(description=_("before"))
    def show_previous(self, obj: LearnedFact) -> SafeString:
        if not obj.previous:
            return figure(None)
        noted = gettext("noted by %(who)s") % {"who": obj.noted_by}
        return two_lines(
            redact(fact_value(obj.previous)), noted if obj.noted_by else ""
        )

    @admin.display(description=_("times seen"), ordering="confirmations")
    def confirmations_count(self, obj: LearnedFact) -> SafeString:
        return figure(obj.confirmations)

    @admin.display(description=_("shown by"))
    def show_evidence(self, obj: LearnedFact) -> str:
        return redact(obj.evidence)

    @admin.display(description=_("learned"), ordering="learned_at")
    def show_learned(self, obj: LearnedFact) -> SafeString:
        return when(obj.learned_at)
