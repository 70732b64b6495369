"""Lists that go out as XLSX and come in again: with a look at what would change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.confirming import ask
from backoffice.exporting import ExportedList
from backoffice.formatting import grouped
from backoffice.pages import Button, M
from backoffice.spreadsheets import BadSpreadsheet, Sheet, read_xlsx
from feeds.admin.bulk import MOST_AT_ONCE
from feeds.admin.proposing import PERMISSIONS, show_first
from feeds.models import Proposal
from plumbing.lazily import lazily

if TYPE_CHECKING:
    from feeds import tables
else:
    # Brings django-import-export along, which is for tables alone.
    tables = lazily("feeds.tables")

MOST_BYTES = 10 * 1024 * 1024


class TableForm(forms.Form):
    """Takes a table and says what is wrong with the file as a whole."""

    file = forms.FileField(
        label=_("XLSX table"),
        widget=forms.FileInput(attrs={"accept": ".xlsx"}),
    )

    def __init__(self, *args: Any, table: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = tables.TABLES[table]()

    def clean_file(self) -> Any:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        try:
            headers, rows = read_xlsx(
                file.file,  # type: ignore[arg-type]
                size_bytes=file.size or 0,
                max_bytes=MOST_BYTES,
                max_rows=MOST_AT_ONCE,
            )
            self.many = self.table.read(headers, rows)
        except BadSpreadsheet as error:
            raise ValidationError(str(error)) from error
        return file


class TableAdmin(ExportedList[M]):
    """Offers its list as a table to change and to bring back."""

    table: str = ""

    @property
    def _in_url_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_xlsx_in"

    def has_table_permission(self, request: HttpRequest) -> bool:
        if self.table == Proposal.Table.PRODUCTS:
            return request.user.has_perm("catalog.change_many_products")
        return request.user.has_perm(PERMISSIONS[Proposal.Table(self.table)])

    def sheet_of(self, request: HttpRequest, rows: QuerySet[M]) -> Sheet:
        return tables.TABLES[self.table]().sheet(rows)

    def page_buttons(self, request: HttpRequest) -> list[Button]:
        buttons = super().page_buttons(request)
        if self.has_table_permission(request):
            url = reverse(f"admin:{self._in_url_name}")
            label = gettext("Upload XLSX…")
            buttons.append(Button(label=label, url=url, asks_first=True))
        return buttons

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.take_in)
        return [path("xlsx/in/", view, name=self._in_url_name), *super().get_urls()]

    def take_in(self, request: HttpRequest) -> HttpResponse:
        if not self.has_table_permission(request):
            raise PermissionDenied
        data = (request.POST, request.FILES) if request.method == "POST" else ()
        form = TableForm(*data, table=self.table)
        if form.is_valid():
            name = form.cleaned_data["file"].name
            answer = show_first(
                request,
                table=self.table,
                title=gettext("Table: %(name)s") % {"name": name},
                wanted=form.many.wanted,
                errors=form.many.errors,
            )
            if answer is not None:
                return answer
            text = gettext("The table says what is stored already: nothing to change.")
            form.add_error("file", text)
        return ask(
            request,
            self,
            form,
            title=gettext("Upload a table"),
            button=gettext("Show what changes"),
            paragraphs=[
                gettext(
                    "Download the list, change it in a spreadsheet program, bring it "
                    "back here. Columns may be left out, rows too. First you see what "
                    "would change, with the errors by row; nothing is saved before."
                ),
                gettext("At most %(rows)s rows and %(size)d MB.")
                % {"rows": grouped(MOST_AT_ONCE), "size": MOST_BYTES // 1024 // 1024},
            ],
        )
