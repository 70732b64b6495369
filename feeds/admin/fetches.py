"""The journal of who fetched the price list."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import NOTHING, Tone, file_size, pill, when
from backoffice.pages import JournalPaginator, ReadOnlyAdmin
from feeds.fetching import can_tell_kaspi
from feeds.models import BROKEN_OFF, FeedFetch

ANSWERS = {
    200: (_("200 sent"), Tone.GOOD),
    304: (_("304 not changed"), Tone.GOOD),
    BROKEN_OFF: (_("broken off half-way"), Tone.BAD),
    401: (_("401 wrong login"), Tone.BAD),
    503: (_("503 no list yet"), Tone.WARN),
}


@admin.register(FeedFetch)
class FeedFetchAdmin(ReadOnlyAdmin[FeedFetch]):
    list_display = (
        "show_when",
        "show_reader",
        "show_answer",
        "times",
        "size_count",
        "show_version",
        "address",
        "user_agent",
    )
    list_display_links = None
    list_filter = ("is_kaspi", "status_code", "fetched_at")
    ordering = ("-fetched_at",)
    paginator = JournalPaginator

    @admin.display(description=_("when"), ordering="fetched_at")
    def show_when(self, obj: FeedFetch) -> SafeString:
        return when(obj.fetched_at)

    @admin.display(description=_("who"), ordering="is_kaspi")
    def show_reader(self, obj: FeedFetch) -> SafeString:
        if obj.is_kaspi:
            return pill("Kaspi", Tone.INFO)
        # Without the list's login, or Kaspi's networks, it may have been Kaspi.
        return pill(_("visitor") if can_tell_kaspi() else _("unknown"), Tone.QUIET)

    @admin.display(description=_("answer"), ordering="status_code")
    def show_answer(self, obj: FeedFetch) -> SafeString:
        text, tone = ANSWERS.get(obj.status_code, (obj.status_code, Tone.QUIET))
        return pill(text, tone)

    @admin.display(description=_("size"))
    def size_count(self, obj: FeedFetch) -> SafeString:
        return format_html('<span class="num">{}</span>', file_size(obj.bytes_sent))

    @admin.display(description=_("version"))
    def show_version(self, obj: FeedFetch) -> str:
        if obj.build_id is None:
            return NOTHING
        url = reverse("admin:feeds_feedbuild_change", args=[obj.build_id])
        return format_html('<a href="{}">№{}</a>', url, obj.build_id)
