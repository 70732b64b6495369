"""Categories, whose sale shows its effect before it is decided."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.admin.categories import CategoryAdmin
from catalog.models import Category
from catalog.rules import with_branches
from feeds.admin.bulk import lead_on
from feeds.admin.proposing import ProposingAdmin
from feeds.models import Proposal


@admin.register(Category)
class SoldCategoryAdmin(ProposingAdmin[Category], CategoryAdmin):
    table = Proposal.Table.CATEGORIES
    actions = ("sell_branch", "stop_selling_branch")

    def title_of(self, obj: Category, *, is_new: bool) -> str:
        if obj.is_published:
            return gettext("Sell the category: %(what)s") % {"what": obj}
        return gettext("Stop selling the category: %(what)s") % {"what": obj}

    def may_bring_back(self, request: HttpRequest, obj: Category) -> bool:
        return self.has_publish_permission(request)

    @admin.action(
        description=_("Sell this branch with everything below it"),
        permissions=["publish"],
    )
    def sell_branch(
        self, request: HttpRequest, queryset: QuerySet[Category]
    ) -> HttpResponse | None:
        return self._sell(request, queryset, title=gettext("Sell: %(what)s"), sold=True)

    @admin.action(
        description=_("Stop selling this branch with everything below it"),
        permissions=["publish"],
    )
    def stop_selling_branch(
        self, request: HttpRequest, queryset: QuerySet[Category]
    ) -> HttpResponse | None:
        title = gettext("Stop selling: %(what)s")
        return self._sell(request, queryset, title=title, sold=False)

    def _sell(
        self,
        request: HttpRequest,
        queryset: QuerySet[Category],
        *,
        title: str,
        sold: bool,
    ) -> HttpResponse | None:
        chosen = list(queryset.values_list("pk", "name"))
        names = ", ".join(name for _pk, name in chosen[:3])
        if len(chosen) > 3:
            names += gettext(" and %(n)d more") % {"n": len(chosen) - 3}
        branches = with_branches(pk for pk, _name in chosen)
        return lead_on(
            request,
            table=self.table,
            title=title % {"what": names},
            wanted={pk: {"is_published": sold} for pk in sorted(branches)},
        )
