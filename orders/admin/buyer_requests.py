"""The owner's pages for buyers' requests: what is held, the export, the erasing."""

from __future__ import annotations

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from backoffice.confirming import ANSWERED, answer_form, ask
from backoffice.formatting import Tone, absolute, pill, when
from backoffice.pages import Button, ReadOnlyAdmin, log_objects
from orders.admin.buyers import buyer_rows
from orders.admin.situation import situation_pill
from orders.models import BuyerRequest, Order
from orders.personal.erasing import erase
from orders.personal.exporting import export
from orders.personal.requests import find_order, orders_of_buyer, why_kept
from plumbing.clocks import now_to_show
from plumbing.leases import database_now

PERMISSION = "orders.answer_buyer"


class FindForm(forms.Form):
    """Asks whose data; the answer is posted, for it may be a phone."""

    buyer = forms.CharField(
        label=_("The order's code or the buyer's phone"),
        max_length=60,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off"}),
    )

    order: Order | None = None

    def clean_buyer(self) -> str:
        text = str(self.cleaned_data["buyer"])
        self.order = find_order(text)
        if self.order is None:
            raise forms.ValidationError(
                _(
                    "No order has this code and nothing is held of a buyer with this "
                    "phone."
                )
            )
        return text


class EraseForm(forms.Form):
    checked = forms.BooleanField(
        label=_("I have made sure that the buyer asks for it"),
        error_messages={"required": _("Tick it, or leave it.")},
    )


@admin.register(BuyerRequest)
class BuyerRequestAdmin(ReadOnlyAdmin[BuyerRequest]):
    list_display = ("show_kind", "show_when", "done_by", "show_orders")
    list_display_links = None
    list_filter = ("kind",)
    ordering = ("-pk",)

    def page_buttons(self, request: HttpRequest) -> list[Button]:
        if not request.user.has_perm(PERMISSION):
            return []
        url = reverse("admin:find_buyer")
        label = gettext("A buyer asks…")
        return [Button(label=label, url=url, asks_first=True, is_main=True)]

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        ours = [
            path("find/", wrap(self.find), name="find_buyer"),
            path("about/<int:pk>/", wrap(self.about), name="about_buyer"),
            path("export/", wrap(self.export), name="export_buyer"),
            path("erase/", wrap(self.erase), name="erase_buyer"),
        ]
        return [*ours, *super().get_urls()]

    def find(self, request: HttpRequest) -> HttpResponse:
        """Ask for an order's code or a phone, and lead to what is held."""
        _may(request)
        form = answer_form(request, FindForm)
        if form.is_valid() and form.order is not None:
            return redirect("admin:about_buyer", form.order.pk)
        return ask(
            request,
            self,
            form,
            title=gettext("A buyer asks for their data"),
            button=gettext("Find"),
            paragraphs=[
                gettext(
                    "Whoever bought from you may have what is kept of them, or have it "
                    "erased. Make sure first that it is the buyer who asks."
                )
            ],
        )

    def about(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show all orders of this order's buyer, and what is held of each."""
        _may(request)
        orders = orders_of_buyer(get_object_or_404(Order, pk=pk))
        now = now_to_show()
        rows = [
            {
                "order": order,
                "url": reverse("admin:orders_order_change", args=[order.pk]),
                "created": absolute(order.created_at, now=now),
                "situation": situation_pill(order),
                "buyer": buyer_rows(request, order),
                "waybills": len(order.waybills.all()),
                "has_note": bool(order.note),
                "why_kept": why_kept(order),
            }
            for order in orders
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("What is held of a buyer"),
            "subtitle": None,
            "opts": self.opts,
            "rows": rows,
            "can_erase": any(not row["why_kept"] for row in rows),
        }
        name = "admin/orders/buyerrequest/about.html"
        return TemplateResponse(request, name, context)

    def export(self, request: HttpRequest) -> HttpResponse:
        """Send all that is held of the chosen orders' buyer as one file."""
        self.require(request, PERMISSION)
        orders = _chosen(request)
        if not orders:
            return redirect("admin:find_buyer")
        pks = [order.pk for order in orders]
        file = export(pks, actor=request.user.get_username(), now=database_now())
        log_objects(
            request, Order.objects.filter(pk__in=pks), gettext("Buyer's data exported")
        )
        answer = HttpResponse(file, content_type="application/zip")
        name = f"buyer-{orders[0].code}.zip"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        answer["Cache-Control"] = "no-store"
        return answer

    def erase(self, request: HttpRequest) -> HttpResponse:
        """Ask whether it is meant, and erase what is held of the orders' buyer."""
        self.require(request, PERMISSION)
        orders = _chosen(request)
        if not orders:
            return redirect("admin:find_buyer")
        form = answer_form(request, EraseForm)
        if not form.is_valid():
            return self._ask_to_erase(request, form, orders)
        actor = request.user.get_username()
        done = erase([o.pk for o in orders], actor=actor, now=database_now())
        if done.orders:
            pks = [order.pk for order in done.orders]
            about = Order.objects.filter(pk__in=pks)
            log_objects(request, about, gettext("Buyer's data erased"))
            text = ngettext(
                "The buyer's data are erased in %(n)d order.",
                "The buyer's data are erased in %(n)d orders.",
                len(pks),
            )
            messages.success(request, text % {"n": len(pks)})
        for order, why in done.kept:
            messages.warning(request, f"{order}: {why}")
        return redirect("admin:orders_buyerrequest_changelist")

    def _ask_to_erase(
        self, request: HttpRequest, form: EraseForm, orders: list[Order]
    ) -> HttpResponse:
        return ask(
            request,
            self,
            form,
            title=gettext("Erase the buyer's data"),
            paragraphs=[
                gettext(
                    "Name, phone, address, waybills, our note and what staff wrote to "
                    "Kaspi are erased for good and are not read from Kaspi again. "
                    "Goods and sums stay. Kaspi keeps what it has itself, and so do "
                    "backups made before."
                )
            ],
            hidden=[
                ("action", "erase"),
                (ANSWERED, "1"),
                *(("order", str(order.pk)) for order in orders),
            ],
            heads=[gettext("order"), gettext("what happens")],
            rows=[(order.code, why_kept(order) or _erased_pill()) for order in orders],
            is_danger=True,
        )

    @admin.display(description=_("what"), ordering="kind")
    def show_kind(self, obj: BuyerRequest) -> SafeString:
        erased = obj.kind == BuyerRequest.Kind.ERASE
        return pill(obj.get_kind_display(), Tone.WARN if erased else Tone.INFO)

    @admin.display(description=_("when"), ordering="done_at")
    def show_when(self, obj: BuyerRequest) -> SafeString:
        return when(obj.done_at)

    @admin.display(description=_("orders"))
    def show_orders(self, obj: BuyerRequest) -> str:
        return ", ".join(obj.orders)


def _may(request: HttpRequest) -> None:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied


def _chosen(request: HttpRequest) -> list[Order]:
    """Give the orders that were shown, as they are now."""
    pks = [pk for pk in request.POST.getlist("order") if pk.isdecimal()]
    found = Order.objects.filter(pk__in=[pk for pk in pks if len(pk) < 19])
    return list(found.prefetch_related("steps").order_by("-created_at", "-pk"))


def _erased_pill() -> SafeString:
    return pill(gettext("is erased"), Tone.WARN)
