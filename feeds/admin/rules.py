"""Price rules, whose changes show their effect before they are saved."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.admin.rules import PriceRuleAdmin
from catalog.models import PriceRule
from feeds.admin.bulk import lead_on
from feeds.admin.proposing import ProposingAdmin
from feeds.admin.tables import TableAdmin
from feeds.models import Proposal
from feeds.proposals import Wanted


@admin.register(PriceRule)
class ShownRuleAdmin(ProposingAdmin[PriceRule], TableAdmin[PriceRule], PriceRuleAdmin):
    table = Proposal.Table.RULES
    quiet_fields = frozenset({"name"})
    actions = ("switch_on", "switch_off", "delete_selected")

    def title_of(self, obj: PriceRule, *, is_new: bool) -> str:
        words = gettext("New price rule: %(what)s")
        if not is_new:
            words = gettext("Price rule: %(what)s")
        return words % {"what": obj}

    @admin.action(description=_("Switch on…"), permissions=["change"])
    def switch_on(
        self, request: HttpRequest, queryset: QuerySet[PriceRule]
    ) -> HttpResponse | None:
        title = gettext("Switch price rules on")
        return self._switch(request, queryset, is_active=True, title=title)

    @admin.action(description=_("Switch off…"), permissions=["change"])
    def switch_off(
        self, request: HttpRequest, queryset: QuerySet[PriceRule]
    ) -> HttpResponse | None:
        title = gettext("Switch price rules off")
        return self._switch(request, queryset, is_active=False, title=title)

    # Of Django's own name, in whose place it stands.
    @admin.action(description=_("Delete…"), permissions=["delete"])
    def delete_selected(
        self, request: HttpRequest, queryset: QuerySet[PriceRule]
    ) -> HttpResponse | None:
        wanted = dict.fromkeys(queryset.values_list("pk", flat=True))
        title = gettext("Delete price rules")
        return lead_on(request, table=self.table, title=title, wanted=wanted)

    def _switch(
        self,
        request: HttpRequest,
        queryset: QuerySet[PriceRule],
        *,
        is_active: bool,
        title: str,
    ) -> HttpResponse | None:
        pks = queryset.values_list("pk", flat=True)
        wanted: dict[int | str, Wanted] = {pk: {"is_active": is_active} for pk in pks}
        return lead_on(request, table=self.table, title=title, wanted=wanted)
