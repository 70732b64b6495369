"""Lists that can be taken out as a spreadsheet, as they are filtered."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from backoffice.pages import Button, M, StaffAdmin
from backoffice.spreadsheets import Sheet, xlsx_response

# More would take the page minutes, and no program opens it with pleasure.
MOST_ROWS = 50_000


class ExportedList(StaffAdmin[M]):
    """Offers its list as XLSX: the rows that the filters and the search find."""

    def sheet_of(self, request: HttpRequest, rows: QuerySet[M]) -> Sheet:
        """Lay the rows into a sheet."""
        raise NotImplementedError

    @property
    def export_url_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_xlsx"

    def page_buttons(self, request: HttpRequest) -> list[Button]:
        query = request.GET.urlencode()
        url = reverse(f"admin:{self.export_url_name}") + (f"?{query}" if query else "")
        button = Button(label=_("Download XLSX"), url=url, asks_first=True)
        return [*super().page_buttons(request), button]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export_list)
        return [path("xlsx/", view, name=self.export_url_name), *super().get_urls()]

    def export_list(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            found: Any = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
            return redirect(name)
        today = f"{timezone.localdate():%Y-%m-%d}"
        sheet = self.sheet_of(request, found[:MOST_ROWS])
        return xlsx_response(f"{self.opts.model_name}-{today}.xlsx", sheet)
