"""Kaspi's commission, whose changes show their effect before they are saved."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.admin.commissions import CommissionRateAdmin
from catalog.models import CommissionRate
from feeds.admin.bulk import lead_on
from feeds.admin.proposing import ProposingAdmin
from feeds.models import Proposal


@admin.register(CommissionRate)
class ShownRateAdmin(ProposingAdmin[CommissionRate], CommissionRateAdmin):
    table = Proposal.Table.COMMISSIONS
    quiet_fields = frozenset({"note"})
    actions = ("mark_checked", "delete_selected")

    def title_of(self, obj: CommissionRate, *, is_new: bool) -> str:
        words = gettext("Kaspi's commission: %(what)s")
        if is_new:
            words = gettext("New commission of Kaspi's: %(what)s")
        return words % {"what": obj}

    # Of Django's own name, in whose place it stands.
    @admin.action(description=_("Delete…"), permissions=["delete"])
    def delete_selected(
        self, request: HttpRequest, queryset: QuerySet[CommissionRate]
    ) -> HttpResponse | None:
        wanted = dict.fromkeys(queryset.values_list("pk", flat=True))
        title = gettext("Delete rows of Kaspi's commission")
        return lead_on(request, table=self.table, title=title, wanted=wanted)
