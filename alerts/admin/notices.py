"""The journal of the messages sent."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, linebreaks
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from alerts.models import Notice
from backoffice.formatting import Tone, pill, two_lines, when
from backoffice.pages import JournalPaginator, ReadOnlyAdmin


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin[Notice]):
    list_display = ("show_created", "show_state", "title", "channel", "kind")
    list_filter = ("kind", "channel")
    list_select_related = ("channel",)
    paginator = JournalPaginator
    fields = ("channel", "kind", "show_created", "show_state", "title", "show_body")
    readonly_fields = ("show_created", "show_state", "show_body")

    def get_list_display_links(
        self, request: HttpRequest, list_display: object
    ) -> tuple[str, ...]:
        return ("show_created", "title")

    @admin.display(description=_("when"), ordering="created_at")
    def show_created(self, obj: Notice) -> SafeString:
        return when(obj.created_at)

    @admin.display(description=_("state"))
    def show_state(self, obj: Notice) -> SafeString:
        if obj.sent_at is not None:
            return pill(gettext("delivered"), Tone.GOOD)
        if obj.given_up_at is not None:
            return two_lines(pill(gettext("given up"), Tone.BAD), obj.error)
        if obj.error:
            return two_lines(pill(gettext("is tried again"), Tone.WARN), obj.error)
        return pill(gettext("waiting"), Tone.INFO)

    @admin.display(description=_("text"))
    def show_body(self, obj: Notice) -> SafeString:
        return format_html('<div class="message">{}</div>', linebreaks(obj.body, True))
