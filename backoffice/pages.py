"""What the admin pages of all apps have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.views.main import (
    ALL_VAR,
    ORDER_VAR,
    PAGE_VAR,
    ChangeList,
)
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.forms import ModelChoiceField, ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.functional import cached_property
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

M = TypeVar("M", bound=Model)

# More rows than this get one line in the log together.
LOGGED_SINGLY = 500
JOURNAL_ROWS = 5000
# No list is counted further: a million rows would take longer than to show the page.
COUNTED = 20_000

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as StrOrPromise

    GenericAdmin: TypeAlias = admin.ModelAdmin
    GenericChoice: TypeAlias = ModelChoiceField
    GenericForm: TypeAlias = ModelForm
    GenericPaginator: TypeAlias = Paginator
else:
    # Django's classes take no type parameters when the program runs; its stubs want
    # them.
    class GenericAdmin(admin.ModelAdmin, Generic[M]):
        pass

    class GenericChoice(ModelChoiceField, Generic[M]):
        pass

    class GenericForm(ModelForm, Generic[M]):
        pass

    class GenericPaginator(Paginator, Generic[M]):
        pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button of a page: it posts to `url`, or leads to a page that asks first."""

    label: str
    url: str
    asks_first: bool = False
    is_main: bool = False


class StaffAdmin(GenericAdmin[M]):
    """An admin for large tables: no total count, and whole pages decorated at once."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    # Said in full, for a sentence put together from words declines none of them.
    add_title: StrOrPromise = ""
    delete_title: StrOrPromise = ""

    def decorate(self, request: HttpRequest, rows: Sequence[M]) -> None:
        """Attach to the rows of a list page what its columns show."""

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        pages = changelist.paginator
        if isinstance(pages, ListPaginator) and pages.is_first:
            # Django asks for all of them anew where they fit on one page.
            rows: list[M] = pages.first_rows[: pages.per_page]
        else:
            rows = list(changelist.result_list)
        self.decorate(request, rows)
        changelist.result_list = rows
        return changelist

    def get_paginator(
        self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **kw: Any
    ) -> Paginator[M]:
        pages = super().get_paginator(request, queryset, per_page, *args, **kw)
        if isinstance(pages, ListPaginator):
            pages.is_first = request.GET.keys().isdisjoint((PAGE_VAR, ALL_VAR))
            pages.is_sorted = ORDER_VAR in request.GET
        return pages

    def page_buttons(self, request: HttpRequest) -> list[Button]:
        """List the buttons above the list that this person may press."""
        return []

    def object_buttons(self, request: HttpRequest, obj: M) -> list[Button]:
        """List the buttons above the object that this person may press."""
        return []

    def panels(self, request: HttpRequest, obj: M) -> dict[str, Any]:
        """Give the template of the object's page what it shows above the form."""
        return {}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method == "POST":
            self._refuse_forbidden_actions(request)
        context = {
            "page_buttons": self.page_buttons(request),
            "add_title": self.add_title,
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002  (Django's signature)
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: M | None = None,
    ) -> HttpResponse:
        context["add_title"] = self.add_title
        if obj is not None:
            context["object_buttons"] = self.object_buttons(request, obj)
            context |= self.panels(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def render_delete_form(
        self, request: HttpRequest, context: dict[str, Any]
    ) -> HttpResponse:
        if self.delete_title and (obj := context.get("object")):
            context["title"] = str(self.delete_title) % {"name": obj}
        return super().render_delete_form(request, context)

    def _refuse_forbidden_actions(self, request: HttpRequest) -> None:
        # Django itself answers with the list, as if nothing had been chosen.
        asked = set(filter(None, request.POST.getlist("action")))
        if asked - self.get_actions(request).keys():
            raise PermissionDenied

    def require(self, request: HttpRequest, permission: str) -> None:
        """Let only POSTs of people with the permission (`app.codename`) go on."""
        if request.method != "POST" or not request.user.has_perm(permission):
            raise PermissionDenied


class JournalPaginator(GenericPaginator[M]):
    """Pages through the newest rows; counting millions would take seconds."""

    @cached_property
    def count(self) -> int:
        """Count the rows, as far as anybody will ever turn the pages."""
        newest = self.object_list[:JOURNAL_ROWS]
        return newest.count() if isinstance(newest, QuerySet) else len(newest)


class ListPaginator(GenericPaginator[M]):
    """Pages through a list whose every reading is dear.

    What fits on one page is not counted besides. Where rows are sorted by a column,
    the database sorts their numbers alone: it would carry all columns along with each.
    """

    is_first = is_sorted = False
    # How many there are, if that is known; counted no further than `most`.
    known: int | None = None
    most = COUNTED
    # There are more than were counted.
    is_cut = False

    @cached_property
    def first_rows(self) -> list[M]:
        """Read the first page, and one row more if there is one."""
        return list(self._narrowed(self.object_list[: self.per_page + 1]))

    @cached_property
    def count(self) -> int:
        """Count the rows; those of the first page have been read for it."""
        if self.is_first and (found := len(self.first_rows)) <= self.per_page:
            self.is_cut = False
            return found
        if self.known is not None:
            return self.known
        every: Any = self.object_list
        number: int = every.order_by().values("pk")[: self.most + 1].count()
        self.is_cut = number > self.most
        return min(number, self.most)

    def page(self, number: int | str) -> Page[M]:
        page = super().page(number)
        if self.is_first and page.number == 1:
            page.object_list = self.first_rows[: self.per_page]
        else:
            page.object_list = self._narrowed(page.object_list)
        return page

    def _narrowed(self, rows: Any) -> Any:
        if not self.is_sorted:
            return rows
        every: Any = self.object_list
        return every.filter(pk__in=rows.values("pk"))


class ReadOnlyAdmin(StaffAdmin[M]):
    """A journal: staff look at it, nobody writes in it by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


def actor_pk(request: HttpRequest) -> int:
    # The admin's pages are for people who are logged in.
    if request.user.pk is None:
        raise PermissionDenied
    return request.user.pk


def log_action(request: HttpRequest, model: type[Model], message: str) -> None:
    """Note in the admin's log what somebody set going for a whole kind of thing."""
    log_many(actor_pk(request), model, message)


def log_many(user_pk: int, model: type[Model], message: str) -> None:
    """Note in one line what somebody did to many things of a kind."""
    LogEntry.objects.create(
        user_id=user_pk,
        content_type=ContentType.objects.get_for_model(model),
        object_repr=str(model._meta.verbose_name_plural)[:200],
        action_flag=CHANGE,
        change_message=message,
    )


def log_objects(request: HttpRequest, queryset: QuerySet[Any], message: str) -> None:
    """Note an action in the log of each object, or once when they are very many."""
    objects = list(queryset[: LOGGED_SINGLY + 1])
    if len(objects) > LOGGED_SINGLY:
        log_action(request, queryset.model, message)
    elif objects:
        LogEntry.objects.log_actions(
            user_id=actor_pk(request),
            queryset=objects,
            action_flag=CHANGE,
            change_message=message,
        )


def report(request: HttpRequest, what: str, *, done: int, skipped: int) -> None:
    """Tell how many objects an action was done to."""
    level = messages.SUCCESS if done else messages.WARNING
    text = _("%(what)s: %(done)d done, %(skipped)d skipped.")
    figures = {"what": what, "done": done, "skipped": skipped}
    messages.add_message(request, level, text % figures)


def go_back(request: HttpRequest) -> HttpResponse:
    """Return to the page of ours whose button was pressed, else to the overview."""
    url = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(url, {request.get_host()}):
        url = "admin:index"
    return redirect(url)
