"""The page that shows what a change would do, and saves it as shown."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, ngettext

from backoffice.formatting import grouped
from backoffice.pages import ReadOnlyAdmin
from backoffice.spreadsheets import xlsx_response
from feeds.admin.effects import (
    basis_lines,
    changed_fields,
    effect_rows,
    effect_sheet,
    error_sheet,
    figures_of,
    number_of_rows,
    point_rows,
    steepest,
)
from feeds.admin.proposing import AGAIN, required_permissions
from feeds.dividing import foresee_points
from feeds.foreseeing import foresee
from feeds.models import Proposal
from feeds.proposals import (
    MODELS,
    NEW,
    Overtaken,
    edits_of,
    is_sealed,
    points_of,
    renew,
    save,
    seal,
)
from plumbing.leases import database_now

ROWS_SHOWN = 300
OBJECTS_SHOWN = 20
ERRORS_SHOWN = 100


@admin.register(Proposal)
class ProposalAdmin(ReadOnlyAdmin[Proposal]):
    """What somebody is about to save; nobody but its author sees it."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        # It stands in no menu: forms and actions lead to it.
        return False

    def has_view_permission(
        self, request: HttpRequest, obj: Proposal | None = None
    ) -> bool:
        return obj is not None and obj.author_id == request.user.pk

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.download)
        ours = path("<int:pk>/changes.xlsx", view, name="proposal_xlsx")
        return [ours, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # Nobody's business but each author's.
        raise PermissionDenied

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        proposal = self._own(request, object_id)
        if proposal.saved_at is not None:
            messages.info(request, gettext("This was saved already."))
            return redirect(_list_url(proposal))
        if request.method == "POST":
            return self._answer(request, proposal)
        return self._show(request, proposal)

    def download(self, request: HttpRequest, pk: int) -> HttpResponse:
        proposal = self._own(request, str(pk))
        found = foresee(edits_of(proposal), now=database_now())
        sheets = [effect_sheet(found)]
        if proposal.errors:
            sheets.append(error_sheet(proposal.errors))
        return xlsx_response(f"changes-{pk}.xlsx", *sheets)

    def _own(self, request: HttpRequest, object_id: str) -> Proposal:
        if not object_id.isdecimal():
            raise Http404
        proposal = Proposal.objects.filter(pk=object_id).first()
        if proposal is None or proposal.author_id != request.user.pk:
            raise Http404
        return proposal

    def _show(
        self, request: HttpRequest, proposal: Proposal, *, error: str = ""
    ) -> TemplateResponse:
        found = foresee(edits_of(proposal), now=database_now())
        points = None
        if proposal.table == Proposal.Table.STORES:
            points = foresee_points(*points_of(proposal))
        warnings = points.warnings() if points else found.warnings()
        rows = effect_rows(found, proposal, limit=ROWS_SHOWN)
        may_choose = proposal.table == Proposal.Table.PRODUCTS and (
            len(proposal.changes) > 1
        )
        context = {
            **self.admin_site.each_context(request),
            "title": proposal.title,
            "subtitle": None,
            "opts": MODELS[proposal.table]._meta,
            "list_url": _list_url(proposal),
            "proposal": proposal,
            "error": error,
            "values": _values(proposal),
            "points": points,
            "point_rows": list(point_rows(points)) if points else [],
            "steepest": list(steepest(found)),
            "figures": figures_of(found),
            "basis_lines": basis_lines(found, proposal),
            "stock_is_stale": found.stock_is_stale,
            "warnings": warnings,
            "rows": rows,
            "rows_left_out": number_of_rows(found, proposal) - len(rows),
            "may_choose": may_choose,
            "errors": proposal.errors[:ERRORS_SHOWN],
            "errors_number": len(proposal.errors),
            "errors_have_rows": any(row for row, _which, _why in proposal.errors),
            "seal": seal(proposal, warned=bool(warnings)),
            "save_label": _save_label(proposal),
            "is_danger": any(f is None for f in proposal.changes.values()),
            "again_url": _again_url(proposal),
            "download_url": reverse("admin:proposal_xlsx", args=[proposal.pk]),
        }
        return TemplateResponse(request, "admin/feeds/proposal.html", context)

    def _answer(self, request: HttpRequest, proposal: Proposal) -> HttpResponse:
        needed = required_permissions(proposal.table, proposal.changes)
        if not request.user.has_perms(needed):
            raise PermissionDenied
        sealed = request.POST.get("seal", "")
        warned = is_sealed(proposal, sealed, warned=True)
        if not warned and not is_sealed(proposal, sealed, warned=False):
            renew(proposal)
            text = gettext(
                "Rules, choices or these rows changed since this page was made. "
                "Look once more: this is what would change now."
            )
            return self._show(request, proposal, error=text)
        if warned and "sure" not in request.POST:
            text = gettext("Tick that you mean it, or go back to the form.")
            return self._show(request, proposal, error=text)
        chosen = None
        if request.POST.get("which") == "chosen":
            chosen = set(request.POST.getlist("row")) & set(proposal.changes)
            if not chosen:
                text = gettext("No row is ticked.")
                return self._show(request, proposal, error=text)
        try:
            number = save(proposal, now=database_now(), chosen=chosen)
        except Overtaken as overtaken:
            renew(proposal)
            return self._show(request, proposal, error=str(overtaken))
        text = ngettext("Saved: %(n)s row.", "Saved: %(n)s rows.", number)
        said = text % {"n": grouped(number)}
        messages.success(request, f"{said} {gettext('The price list follows.')}")
        return redirect(_after_url(proposal))


def _values(proposal: Proposal) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Tell, object by object, which fields become what; the first objects only.

    Many products tell it in their table.
    """
    if proposal.table == Proposal.Table.PRODUCTS and len(proposal.changes) > 1:
        return []
    model = MODELS[proposal.table]
    some = list(proposal.changes.items())[:OBJECTS_SHOWN]
    pks = [int(key) for key, _fields in some if not key.startswith(NEW)]
    names = {str(row.pk): str(row) for row in model._default_manager.filter(pk__in=pks)}
    return [
        (names.get(key, ""), changed_fields(proposal, fields)) for key, fields in some
    ]


def _list_url(proposal: Proposal) -> str:
    meta = MODELS[proposal.table]._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")


def _after_url(proposal: Proposal) -> str:
    """Lead back to the object, or to the list when they are several or none is left."""
    keys = list(proposal.changes)
    if len(keys) != 1 or keys[0].startswith(NEW) or proposal.changes[keys[0]] is None:
        return _list_url(proposal)
    meta = MODELS[proposal.table]._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=keys)


def _again_url(proposal: Proposal) -> str:
    """Lead back to the form with the values that were typed."""
    url = proposal.back_url or _list_url(proposal)
    is_form = url.endswith(("/change/", "/add/"))
    return f"{url}?{AGAIN}={proposal.pk}" if is_form else url


def _save_label(proposal: Proposal) -> str:
    if any(fields is None for fields in proposal.changes.values()):
        return gettext("Delete")
    return gettext("Save")
