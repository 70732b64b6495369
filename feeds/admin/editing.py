"""Columns of the list of products that are edited in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import QuerySet
from django.forms import BaseModelFormSet, modelform_factory, modelformset_factory
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext

from backoffice.pages import Button, StaffAdmin
from catalog.admin.products import ProductForm
from catalog.models import Product
from feeds.admin.proposing import show_first
from feeds.models import Proposal

if TYPE_CHECKING:
    Rows: TypeAlias = BaseModelFormSet[Product, Any]
else:
    Rows = BaseModelFormSet

MODE, EDIT = "columns", "edit"
EDITED = ("is_published", "price_override_kzt", "min_price_kzt", "safety_stock")
SHOWN = ("show_article", "show_name", "show_sale", "price_money", "cost_money")


class ModeFilter(admin.SimpleListFilter):
    """Takes the mode out of the address; it filters nothing and is not shown."""

    title = ""
    parameter_name = MODE

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[Any, Any]]:
        return []

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Product]
    ) -> QuerySet[Product]:
        return queryset


class RowForm(ProductForm):
    """One product's row; what is wrong with columns that it does not edit stays so."""

    def _update_errors(self, errors: ValidationError) -> None:
        shown = {*self.fields, NON_FIELD_ERRORS}
        found = {n: error for n, error in errors.error_dict.items() if n in shown}
        if found:
            super()._update_errors(ValidationError(found))  # type: ignore[misc]

    @property
    def wanted(self) -> dict[str, Any]:
        """Give what was changed; a fixed price taken off takes its term along."""
        found = {name: self.cleaned_data[name] for name in self.changed_data}
        if found.get("price_override_kzt", self) is None:
            found["price_override_until"] = None
        return found


class PageOfRows(Rows):
    """The forms of one page: its rows are read already."""

    def get_queryset(self) -> Any:
        known = self.queryset
        return known if isinstance(known, list) else super().get_queryset()


class EditedList(StaffAdmin[Product]):
    """Edits the staff's figures in the list; saving shows first what would change."""

    def is_editing(self, request: HttpRequest) -> bool:
        may = request.user.has_perm("catalog.change_many_products")
        return may and request.GET.get(MODE) == EDIT

    def get_list_display(self, request: HttpRequest) -> Any:
        if self.is_editing(request):
            return (*SHOWN, *EDITED)
        return super().get_list_display(request)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        if self.is_editing(request):
            changelist.list_editable = EDITED
        return changelist

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> Any:
        def labelled(field: Any, **known: Any) -> Any:
            made = self.formfield_for_dbfield(field, request, **known)
            # The column's head is no label for who hears the page.
            if made is not None:
                made.widget.attrs["aria-label"] = str(made.label)
            return made

        row = modelform_factory(
            Product, form=RowForm, fields=EDITED, formfield_callback=labelled
        )
        return modelformset_factory(
            Product, form=row, formset=PageOfRows, fields=EDITED, extra=0
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if "_save" in request.POST and self.is_editing(request):
            answer = self._show_rows_first(request)
            if answer is not None:
                return answer
        return super().changelist_view(request, extra_context)

    def _show_rows_first(self, request: HttpRequest) -> HttpResponse | None:
        form_set = self.get_changelist_formset(request)
        prefix = form_set.get_default_prefix()
        rows = self._get_list_editable_queryset(request, prefix)
        forms = form_set(request.POST, queryset=rows.order_by("pk"))
        if not forms.is_valid():
            # Django shows the list again, with the errors at their places.
            return None
        answer = show_first(
            request,
            table=Proposal.Table.PRODUCTS,
            title=gettext("Changes in the list"),
            wanted={
                form.instance.pk: form.wanted for form in forms if form.has_changed()
            },
        )
        if answer is None:
            messages.info(request, gettext("It is so already: nothing would change."))
            return redirect(request.get_full_path())
        return answer

    def page_buttons(self, request: HttpRequest) -> list[Button]:
        buttons = super().page_buttons(request)
        if not request.user.has_perm("catalog.change_many_products"):
            return buttons
        query = request.GET.copy()
        label = gettext("Edit in the list")
        if self.is_editing(request):
            del query[MODE]
            label = gettext("Stop editing")
        else:
            query[MODE] = EDIT
        url = f"{request.path}?{query.urlencode()}"
        return [Button(label=label, url=url, asks_first=True), *buttons]
