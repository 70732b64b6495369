"""Forms whose changes are shown with their effect before they are saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext

from backoffice.histories import HistoriedAdmin, keep_before
from backoffice.pages import M, actor_pk
from feeds.models import Proposal
from feeds.proposals import Wanted, propose, wanted_of
from plumbing.leases import database_now

# Names the proposal whose values a form shows again.
AGAIN = "proposal"
PERMISSIONS = {
    Proposal.Table.PRODUCTS: "catalog.change_product",
    Proposal.Table.CATEGORIES: "catalog.publish_category",
    Proposal.Table.RULES: "catalog.change_pricerule",
    Proposal.Table.COMMISSIONS: "catalog.change_commissionrate",
    Proposal.Table.STORES: "feeds.change_store",
}


def required_permissions(table: str, wanted: Mapping[Any, Any]) -> set[str]:
    """Name what somebody must be allowed who saves this."""
    needed = set()
    for key, fields in wanted.items():
        usual = PERMISSIONS[Proposal.Table(table)]
        if fields is None:
            needed.add(usual.replace("change_", "delete_"))
        elif str(key).startswith("new-"):
            needed.add(usual.replace("change_", "add_"))
        else:
            needed.add(usual)
        if table == Proposal.Table.PRODUCTS and "is_published" in (fields or {}):
            needed.add("catalog.publish_product")
    if table == Proposal.Table.PRODUCTS and len(wanted) > 1:
        needed.add("catalog.change_many_products")
    return needed


def show_first(
    request: HttpRequest,
    *,
    table: str,
    title: str,
    wanted: Mapping[Any, Wanted],
    errors: Sequence[Sequence[Any]] = (),
    back_url: str = "",
) -> HttpResponse | None:
    """Lead to the page that shows what would change; None when nothing would."""
    if not request.user.has_perms(required_permissions(table, wanted)):
        raise PermissionDenied
    proposal = propose(
        table=table,
        title=title,
        author_pk=actor_pk(request),
        wanted=wanted,
        errors=errors,
        back_url=back_url or request.get_full_path(),
        now=database_now(),
    )
    if proposal is None:
        return None
    return redirect("admin:feeds_proposal_change", proposal.pk)


class ReturningAdmin(HistoriedAdmin[M]):
    """Brings an earlier state back by way of the page that shows what changes."""

    table: str = ""

    def bring_back(
        self, request: HttpRequest, obj: M, values: dict[str, Any], *, at: str
    ) -> HttpResponse:
        words = gettext("Back to how it was %(at)s: %(what)s")
        answer = show_first(
            request,
            table=self.table,
            title=words % {"at": at, "what": obj},
            wanted={obj.pk: values},
        )
        if answer is None:
            messages.info(request, gettext("It is so already: nothing would change."))
            return redirect(f"{request.path.split('/history/')[0]}/history/")
        return answer


class ProposingAdmin(ReturningAdmin[M]):
    """Saves nothing of consequence from its form: it leads to the page of effects."""

    # Saved at once: neither prices nor offers depend on them.
    quiet_fields: frozenset[str] = frozenset()
    change_form_template = "admin/feeds/proposing_form.html"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        if request.method == "POST":
            answer = self._show_first(request, object_id)
            if answer is not None:
                return answer
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _show_first(
        self, request: HttpRequest, object_id: str | None
    ) -> HttpResponse | None:
        if "_saveasnew" in request.POST:
            object_id = None
        obj = (
            None if object_id is None else self.get_object(request, unquote(object_id))
        )
        is_new = object_id is None
        # Django answers to those who may not, and to what is not there.
        if is_new:
            if not self.has_add_permission(request):
                return None
        elif obj is None or not self.has_change_permission(request, obj):
            return None
        form_class = self.get_form(request, obj, change=not is_new)
        form = form_class(request.POST, request.FILES, instance=obj)
        if not form.is_valid():
            return None
        changed = [name for name in form.changed_data if name in form.cleaned_data]
        if not is_new and not set(changed) - self.quiet_fields:
            return None
        names = form.cleaned_data if is_new else changed
        return show_first(
            request,
            table=self.table,
            title=self.title_of(form.instance, is_new=is_new),
            wanted=self.wanted_by(form, names, key="new-1" if is_new else obj.pk),  # type: ignore[union-attr]
            back_url=request.path,
        )

    def wanted_by(
        self, form: Any, names: Iterable[str], *, key: int | str
    ) -> dict[int | str, Wanted]:
        """Give what a valid form wants saved of these fields, by the rows' keys."""
        return {key: {name: form.cleaned_data[name] for name in names}}

    def title_of(self, obj: M, *, is_new: bool) -> str:
        """Say in one line what would be saved."""
        words = gettext("New: %(what)s") if is_new else gettext("Change: %(what)s")
        return words % {"what": obj}

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> M | None:
        obj: M | None = super().get_object(request, object_id, from_field)
        if obj is not None and request.method == "GET":
            for name, value in self._proposed(request, str(obj.pk)).items():
                setattr(obj, obj._meta.get_field(name).attname, value)  # type: ignore[union-attr]
        return obj

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial = super().get_changeform_initial_data(request)
        initial.pop(AGAIN, None)
        return {**initial, **self._proposed(request, "new-1")}

    def _proposed(self, request: HttpRequest, key: str) -> dict[str, Any]:
        """Give the values that somebody came back to change further."""
        again = request.GET.get(AGAIN, "")
        if not again.isdecimal():
            return {}
        own = Proposal.objects.filter(author=request.user.pk, table=self.table)
        proposal = own.filter(pk=again).first()
        if proposal is None or not proposal.changes.get(key):
            return {}
        return wanted_of(proposal, proposal.changes[key])

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        obj = self.get_object(request, unquote(object_id))
        if obj is None or not self.has_delete_permission(request, obj):
            return super().delete_view(request, object_id, extra_context)
        return show_first(
            request,
            table=self.table,
            title=gettext("Delete: %(what)s") % {"what": obj},
            wanted={obj.pk: None},
            back_url=request.path.removesuffix("delete/") + "change/",
        )

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: Any) -> None:
        """Save what is of no consequence, and nothing that an import writes."""
        own = {field.name for field in obj._meta.concrete_fields}
        changed = [name for name in form.changed_data if name in own]
        if changed:
            keep_before([type(obj)._default_manager.get(pk=obj.pk)], now=database_now())
            obj.save(update_fields=changed)
