"""The list of alerts, where they are acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from alerts.following import acknowledge
from alerts.models import Alert
from backoffice.formatting import Tone, figure, pill, span, two_lines, when
from backoffice.pages import Button, ReadOnlyAdmin, go_back, log_objects, report
from plumbing.leases import database_now

PERMISSION = "alerts.acknowledge_alert"
# Each is asked for by itself; more would keep the person waiting.
AT_ONCE = 500
STATES = {
    "open": (_("Open"), Q(closed_at__isnull=True)),
    "waiting": (
        _("Not acknowledged"),
        Q(closed_at__isnull=True, acknowledged_at__isnull=True),
    ),
    "over": (_("Over"), Q(closed_at__isnull=False)),
    "all": (_("All"), Q()),
}


class StateFilter(admin.SimpleListFilter):
    """Without a choice the open ones: the others are history."""

    title = _("status")
    parameter_name = "state"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[Any, Any]]:
        return [(code, label) for code, (label, _condition) in STATES.items()]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for code, (label, _condition) in STATES.items():
            query = changelist.get_query_string({self.parameter_name: code}, ["p"])
            yield {
                "selected": self.chosen() == code,
                "query_string": query,
                "display": label,
            }

    def chosen(self) -> str:
        value = self.value() or ""
        return value if value in STATES else "open"

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Alert]
    ) -> QuerySet[Alert]:
        return queryset.filter(STATES[self.chosen()][1])


class KindFilter(admin.SimpleListFilter):
    """The kinds that there have been alerts of, by the name each had last."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[Any, Any]]:
        rows = Alert.objects.order_by("kind", "pk").values_list("kind", "title")
        return sorted(dict(rows).items(), key=lambda row: row[1])

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Alert]
    ) -> QuerySet[Alert]:
        chosen = self.value()
        return queryset.filter(kind=chosen) if chosen else queryset


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin[Alert]):
    list_display = (
        "show_what",
        "show_state",
        "show_opened",
        "show_told",
    )
    list_filter = (StateFilter, KindFilter, "tone")
    search_fields = ("subject", "text")
    search_help_text = _("Order code or words of the alert")
    actions = ("acknowledge_chosen",)
    fields = (
        "show_state",
        "show_text",
        "show_opened",
        "show_told",
        "show_acknowledged",
        "show_closed",
        "show_messages",
    )
    readonly_fields = fields

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PERMISSION)

    def get_urls(self) -> list[URLPattern]:
        one = path(
            "<int:pk>/acknowledge/",
            self.admin_site.admin_view(self.acknowledge_one),
            name="acknowledge_alert",
        )
        return [one, *super().get_urls()]

    def object_buttons(self, request: HttpRequest, obj: Alert) -> list[Button]:
        if not obj.is_open or obj.is_acknowledged:
            return []
        if not self.has_acknowledge_permission(request):
            return []
        url = reverse("admin:acknowledge_alert", args=[obj.pk])
        return [Button(label=gettext("Acknowledge"), url=url, is_main=True)]

    def acknowledge_one(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Stop the repeating of one alert."""
        self.require(request, PERMISSION)
        alert = get_object_or_404(Alert, pk=pk)
        if self._acknowledge(request, [alert]):
            text = gettext("Acknowledged: it is not repeated, and its end is told.")
            messages.success(request, text)
        else:
            messages.warning(
                request, gettext("It is over, or was acknowledged before.")
            )
        return go_back(request)

    @admin.action(description=_("Acknowledge"), permissions=["acknowledge"])
    def acknowledge_chosen(
        self, request: HttpRequest, queryset: QuerySet[Alert]
    ) -> None:
        chosen = list(queryset[:AT_ONCE])
        done = self._acknowledge(request, chosen)
        what = gettext("Acknowledge")
        report(request, what, done=done, skipped=len(chosen) - done)

    def _acknowledge(self, request: HttpRequest, alerts: list[Alert]) -> int:
        actor = request.user.get_username()
        done = acknowledge(alerts, actor=actor, now=database_now())
        rows = Alert.objects.filter(pk__in=[alert.pk for alert in done])
        log_objects(request, rows, gettext("Acknowledged"))
        return len(done)

    @admin.display(description=_("what happened"))
    def show_what(self, obj: Alert) -> SafeString:
        return two_lines(*obj.words)

    @admin.display(description=_("status"))
    def show_state(self, obj: Alert) -> SafeString:
        if obj.closed_at is not None:
            took = span(obj.closed_at - obj.opened_at)
            text = gettext("lasted %(span)s") % {"span": took}
            return two_lines(pill(gettext("over"), Tone.GOOD), text)
        hint = gettext("Told by night, too") if obj.is_urgent else ""
        shown = pill(obj.get_tone_display(), Tone(obj.tone), hint=hint)
        if not obj.is_acknowledged:
            return two_lines(shown, gettext("not acknowledged"))
        text = gettext("acknowledged: %(who)s")
        return two_lines(shown, text % {"who": obj.acknowledged_by})

    @admin.display(description=_("what happened"))
    def show_text(self, obj: Alert) -> SafeString:
        if not obj.url:
            return format_html('<span class="long">{}</span>', obj.words[1])
        return format_html('<a class="long" href="{}">{}</a>', obj.url, obj.words[1])

    @admin.display(description=_("noticed"), ordering="opened_at")
    def show_opened(self, obj: Alert) -> SafeString:
        return when(obj.opened_at)

    @admin.display(description=_("messages"), ordering="told")
    def show_told(self, obj: Alert) -> SafeString:
        return two_lines(figure(obj.told), when(obj.told_at) if obj.told_at else "")

    @admin.display(description=_("acknowledged"))
    def show_acknowledged(self, obj: Alert) -> SafeString:
        if obj.acknowledged_at is None:
            return when(None)
        return format_html("{} {}", obj.acknowledged_by, when(obj.acknowledged_at))

    @admin.display(description=_("over"))
    def show_closed(self, obj: Alert) -> SafeString:
        return when(obj.closed_at)

    @admin.display(description=_("messages sent"))
    def show_messages(self, obj: Alert) -> SafeString:
        notices = obj.notices.select_related("channel").order_by("pk")
        rows = [
            (
                reverse("admin:alerts_notice_change", args=[notice.pk]),
                notice.channel,
                when(notice.sent_at) if notice.sent_at else gettext("not sent"),
            )
            for notice in notices
        ]
        shown = '<a class="message-sent" href="{}">{}: {}</a>'
        return format_html_join("", shown, rows) or when(None)
