"""The journal of imports from the supplier, with buttons that start one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import Tone, duration, figure, pill, when
from backoffice.pages import Button, ReadOnlyAdmin, go_back, log_action
from catalog.models import ImportRun
from plumbing.queue import enqueue
from plumbing.redaction import redact

Status = ImportRun.Status
PERMISSION = "catalog.sync_catalogue"
TASKS = {
    ImportRun.Kind.STOCK: (
        "catalog.tasks.sync_stock",
        _("Import stock and prices now"),
    ),
    ImportRun.Kind.CATALOGUE: (
        "catalog.tasks.sync_catalog",
        _("Import the catalogue now"),
    ),
}
TONES = {Status.RUNNING: Tone.INFO, Status.DONE: Tone.GOOD, Status.FAILED: Tone.BAD}
COUNT_NAMES = {
    "read": _("read"),
    "known": _("known"),
    "new": _("new"),
    "changed": _("changed"),
    "gone": _("gone"),
    "returned": _("came back"),
    "absent": _("absent"),
    "unknown": _("unknown"),
    "flapping": _("in and out of stock"),
    "bad": _("skipped"),
    "warnings": _("warnings"),
    "pages": _("pages"),
    "passes": _("passes"),
    "categories": _("categories read"),
    "categories_new": _("categories new"),
    "categories_changed": _("categories changed"),
    "categories_gone": _("categories gone"),
    "without_category": _("without a known category"),
    "sku_taken": _("SKU taken"),
}


def status_pill(run: ImportRun) -> SafeString:
    return pill(run.get_status_display(), TONES[Status(run.status)])


def import_buttons(request: HttpRequest) -> list[Button]:
    if not request.user.has_perm(PERMISSION):
        return []
    return [
        Button(label=str(label), url=reverse("admin:start_import", args=[kind.value]))
        for kind, (_task, label) in TASKS.items()
    ]


@admin.register(ImportRun)
class ImportRunAdmin(ReadOnlyAdmin[ImportRun]):
    list_display = (
        "show_started",
        "kind",
        "show_status",
        "show_message",
        "read_count",
        "changed_count",
        "bad_count",
        "show_duration",
    )
    list_display_links = ("show_started", "kind")
    list_filter = ("kind", "status", "is_dry_run")
    change_form_template = "admin/catalog/importrun/change_form.html"
    fields = ("show_result", "show_times", "supplier_date")
    readonly_fields = ("show_result", "show_times")

    def page_buttons(self, request: HttpRequest) -> list[Button]:
        return import_buttons(request)

    def get_urls(self) -> list[URLPattern]:
        start = path(
            "start/<slug:kind>/",
            self.admin_site.admin_view(self.start_import),
            name="start_import",
        )
        return [start, *super().get_urls()]

    def start_import(self, request: HttpRequest, kind: str) -> HttpResponse:
        """Queue an import; it may wait for another one to end."""
        self.require(request, PERMISSION)
        if kind not in ImportRun.Kind.values:
            raise Http404
        task, label = TASKS[ImportRun.Kind(kind)]
        enqueue(task, cluster="imports")
        log_action(request, ImportRun, str(label))
        messages.success(
            request, gettext("Queued: it appears among the imports within a minute.")
        )
        return go_back(request)

    def panels(self, request: HttpRequest, obj: ImportRun) -> dict[str, Any]:
        return {
            "count_rows": [
                (COUNT_NAMES.get(name, name), figure(value))
                for name, value in obj.counts.items()
                if isinstance(value, int)
            ],
            "bad_rows": readable_rows(obj.bad_rows),
            "bad_total": obj.counts.get("bad", 0) + obj.counts.get("warnings", 0),
            "changes_url": (
                reverse("admin:catalog_productchange_changelist")
                + f"?run__id__exact={obj.pk}"
            ),
        }

    @admin.display(description=_("started"), ordering="started_at")
    def show_started(self, obj: ImportRun) -> SafeString:
        return when(obj.started_at)

    @admin.display(description=_("status"), ordering="status")
    def show_status(self, obj: ImportRun) -> SafeString:
        if obj.is_dry_run:
            return format_html(
                "{} {}", status_pill(obj), pill(_("dry run"), Tone.QUIET)
            )
        return status_pill(obj)

    @admin.display(description=_("result"))
    def show_message(self, obj: ImportRun) -> SafeString:
        return format_html('<span class="long">{}</span>', redact(obj.message) or "—")

    @admin.display(description=_("read"))
    def read_count(self, obj: ImportRun) -> SafeString:
        return figure(obj.counts.get("read"))

    @admin.display(description=_("changed"))
    def changed_count(self, obj: ImportRun) -> SafeString:
        return figure(obj.counts.get("changed"))

    @admin.display(description=_("skipped"))
    def bad_count(self, obj: ImportRun) -> SafeString:
        return figure(obj.counts.get("bad"))

    @admin.display(description=_("took"))
    def show_duration(self, obj: ImportRun) -> SafeString:
        took = duration(obj.started_at, obj.finished_at)
        return format_html('<span class="num">{}</span>', took)

    @admin.display(description=_("result"))
    def show_result(self, obj: ImportRun) -> SafeString:
        return format_html("{} {}", self.show_status(obj), redact(obj.message))

    @admin.display(description=_("time"))
    def show_times(self, obj: ImportRun) -> SafeString:
        took = duration(obj.started_at, obj.finished_at)
        return format_html("{} {}: {}", when(obj.started_at), _("took"), took)


def readable_rows(bad_rows: Sequence[Any]) -> list[tuple[str, str]]:
    """Give (which row, what was wrong) of whatever shape the journal holds."""
    rows = []
    for row in bad_rows:
        key, reason = row if isinstance(row, list) and len(row) == 2 else ("", row)
        rows.append((str(key), redact(str(reason))))
    return rows
