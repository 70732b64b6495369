"""The page of contradictions: what the reconciler found, and what a person says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.confirming import answer_form, ask
from backoffice.formatting import Tone, pill, two_lines, when
from backoffice.pages import Button, ReadOnlyAdmin, log_action, log_objects
from orders.admin.journals import order_link
from orders.admin.situation import shortened
from orders.models import Finding
from orders.reconciling.raising import FindingClosed, accept
from plumbing.leases import database_now
from plumbing.queue import enqueue
from plumbing.redaction import redact

PERMISSION = "orders.retry_step"
TONES = {
    Finding.Status.OPEN: Tone.BAD,
    Finding.Status.SETTLED: Tone.QUIET,
    Finding.Status.ACCEPTED: Tone.GOOD,
}


class NoteForm(forms.Form):
    note = forms.CharField(
        label=_("Why it is right so"),
        min_length=3,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
    )


class OpenFilter(admin.SimpleListFilter):
    """Without a choice the open ones: the others are history."""

    title = _("status")
    parameter_name = "status"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[Any, Any]]:
        return [*Finding.Status.choices, ("all", _("All"))]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        chosen = self.value() or Finding.Status.OPEN
        for value, label in self.lookup_choices:
            query = changelist.get_query_string({self.parameter_name: value}, ["p"])
            yield {
                "selected": chosen == value,
                "query_string": query,
                "display": label,
            }

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Finding]
    ) -> QuerySet[Finding]:
        chosen = self.value() or Finding.Status.OPEN
        return queryset if chosen == "all" else queryset.filter(status=chosen)


@admin.register(Finding)
class FindingAdmin(ReadOnlyAdmin[Finding]):
    list_display = (
        "show_kind",
        "show_status",
        "show_order",
        "show_reason",
        "show_raised",
        "show_closed",
    )
    list_filter = (OpenFilter, "kind")
    list_select_related = ("order",)
    ordering = ("-pk",)
    search_fields = ("order__code", "subject")
    search_help_text = _("Order code or number at Al-Style")
    fields = (
        "show_kind",
        "show_status",
        "show_order",
        "show_about",
        "show_whole",
        "show_raised",
        "show_seen",
        "show_closed",
    )
    readonly_fields = fields

    def page_buttons(self, request: HttpRequest) -> list[Button]:
        if not request.user.has_perm(PERMISSION):
            return []
        url = reverse("admin:look_for_findings")
        return [Button(label=gettext("Look again"), url=url)]

    def object_buttons(self, request: HttpRequest, obj: Finding) -> list[Button]:
        if not obj.is_open or not request.user.has_perm(PERMISSION):
            return []
        right = reverse("admin:accept_finding", args=[obj.pk])
        label = gettext("Seen, it is right so…")
        again = reverse("admin:look_for_findings")
        return [
            Button(label=gettext("Look again"), url=again, is_main=True),
            Button(label=label, url=right, asks_first=True),
        ]

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        ours = [
            path("look/", wrap(self.look), name="look_for_findings"),
            path("<int:pk>/right/", wrap(self.accept), name="accept_finding"),
        ]
        return [*ours, *super().get_urls()]

    def look(self, request: HttpRequest) -> HttpResponse:
        """Let a worker look again, in the database and in both peers' lists."""
        self.require(request, PERMISSION)
        enqueue("orders.tasks.reconcile", cluster="orders")
        enqueue("orders.tasks.reconcile_with_peers", cluster="imports")
        log_action(request, Finding, gettext("Look again"))
        text = gettext("Queued: what no longer holds is settled in a minute or two.")
        messages.success(request, text)
        return redirect("admin:orders_finding_changelist")

    def accept(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask why it is right so, and close it for the same facts."""
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        finding = get_object_or_404(Finding.objects.select_related("order"), pk=pk)
        title = gettext("Seen, it is right so")
        form = answer_form(request, NoteForm)
        if not form.is_valid():
            text = gettext(
                "It is closed and not raised again, as long as it rests on the same "
                "figures. The note stays in the order's history."
            )
            said = format_html('<span class="long">{}</span>', redact(finding.text))
            return ask(
                request, self, form, title=title, paragraphs=[said, text], about=finding
            )
        note, actor = form.cleaned_data["note"], request.user.get_username()
        try:
            accept(finding, note=note, actor=actor, now=database_now())
        except FindingClosed:
            text = gettext("This is not possible any more: look again.")
            messages.error(request, text)
        else:
            log_objects(request, Finding.objects.filter(pk=pk), f"{title}: {note}")
            messages.success(request, gettext("Noted: %(what)s") % {"what": title})
        return redirect("admin:orders_finding_change", pk)

    @admin.display(description=_("what"), ordering="kind")
    def show_kind(self, obj: Finding) -> str:
        return obj.get_kind_display()

    @admin.display(description=_("status"), ordering="status")
    def show_status(self, obj: Finding) -> SafeString:
        status = Finding.Status(obj.status)
        return pill(status.label, TONES[status])

    @admin.display(description=_("about"))
    def show_about(self, obj: Finding) -> str:
        return obj.about

    @admin.display(description=_("order"), ordering="order__code")
    def show_order(self, obj: Finding) -> SafeString | str:
        return order_link(obj.order) if obj.order is not None else "—"

    # CSS knows the column by this name: field-show_reason in admin/phones.css.
    @admin.display(description=_("reason"))
    def show_reason(self, obj: Finding) -> SafeString:
        said = redact(obj.text)
        return format_html('<span title="{}">{}</span>', said, shortened(said))

    @admin.display(description=_("reason"))
    def show_whole(self, obj: Finding) -> SafeString:
        return format_html('<span class="long">{}</span>', redact(obj.text))

    @admin.display(description=_("found"), ordering="raised_at")
    def show_raised(self, obj: Finding) -> SafeString:
        return when(obj.raised_at)

    @admin.display(description=_("last seen so"), ordering="seen_at")
    def show_seen(self, obj: Finding) -> SafeString:
        return when(obj.seen_at)

    @admin.display(description=_("closed"), ordering="closed_at")
    def show_closed(self, obj: Finding) -> SafeString:
        by = f"{obj.closed_by}: {redact(obj.note)}" if obj.note else ""
        return two_lines(when(obj.closed_at), by)
