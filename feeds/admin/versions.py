"""Versions of the price list, and the buttons that change which one is live."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
)
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.confirming import answer_form, ask
from backoffice.formatting import (
    Tone,
    absolute,
    file_size,
    grouped,
    pill,
    two_lines,
    when,
)
from backoffice.pages import (
    Button,
    ReadOnlyAdmin,
    go_back,
    log_action,
    log_objects,
)
from feeds import carrying, files
from feeds.admin.differences import count_panels, difference_tables
from feeds.drafting import Refusal
from feeds.models import FeedBuild
from feeds.publishing import BuildResult, override_refusal, roll_back
from feeds.rolling_back import causes_since, draft_roll_back
from plumbing.clocks import now_to_show
from plumbing.leases import LeaseTaken, database_now
from plumbing.queue import enqueue

Status = FeedBuild.Status
TONES = {
    Status.BUILDING: Tone.INFO,
    Status.PUBLISHING: Tone.INFO,
    Status.ACTIVE: Tone.GOOD,
    Status.UNCHANGED: Tone.QUIET,
    Status.REFUSED: Tone.BAD,
    Status.ARCHIVED: Tone.QUIET,
    Status.FAILED: Tone.BAD,
}

CHANGES = {
    "added": _("new"),
    "withdrawn": _("withdrawn"),
    "withheld": _("withheld"),
    "returned": _("returned"),
    "dropped": _("dropped"),
    "price": _("prices"),
    "stock": _("stock"),
}


def status_pill(build: FeedBuild) -> SafeString:
    return pill(build.get_status_display(), TONES[Status(build.status)])


def build_buttons(request: HttpRequest) -> list[Button]:
    if not request.user.has_perm("feeds.build_feed"):
        return []
    url = reverse("admin:build_feed_now")
    return [Button(label=gettext("Build the price list now"), url=url, is_main=True)]


class ReasonForm(forms.Form):
    """Asks why; the answer stands in the version for everybody to read."""

    reason = forms.CharField(
        label=_("Why"),
        min_length=3,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
        help_text=_("Stays in the journal of versions."),
    )


@admin.register(FeedBuild)
class FeedBuildAdmin(ReadOnlyAdmin[FeedBuild]):
    list_display = (
        "show_number",
        "show_status",
        "show_started",
        "offers_count",
        "on_sale_count",
        "show_changes",
        "show_reason",
        "size_count",
    )
    list_filter = ("status",)
    ordering = ("-started_at",)
    change_form_template = "admin/feeds/feedbuild/change_form.html"
    fields = ("show_status", "show_started", "show_published", "show_file")
    readonly_fields = fields

    def page_buttons(self, request: HttpRequest) -> list[Button]:
        return build_buttons(request)

    def object_buttons(self, request: HttpRequest, obj: FeedBuild) -> list[Button]:
        may = request.user.has_perm
        buttons = []
        if obj.may_be_overridden and may("feeds.override_feed"):
            url = reverse("admin:override_feed", args=[obj.pk])
            label = gettext("Publish it all the same…")
            if obj.withholds:
                label = gettext("Let them go off sale…")
            buttons.append(Button(label=label, url=url, asks_first=True, is_main=True))
        if can_put_back(obj) and may("feeds.rollback_feed"):
            url = reverse("admin:roll_back_feed", args=[obj.pk])
            label = gettext("Put this version back…")
            buttons.append(Button(label=label, url=url, asks_first=True))
        if obj.is_pinned(now_to_show()) and may("feeds.rollback_feed"):
            url = reverse("admin:unpin_feed", args=[obj.pk])
            buttons.append(Button(label=gettext("Let automatic builds go on"), url=url))
        if carrying.is_kept(obj):
            url = reverse("admin:download_feed", args=[obj.pk])
            buttons.append(Button(label=gettext("Download"), url=url, asks_first=True))
        return buttons

    def panels(self, request: HttpRequest, obj: FeedBuild) -> dict[str, Any]:
        return {
            "count_panels": count_panels(obj.counts),
            "differences": difference_tables(obj),
            "is_pinned": obj.is_pinned(now_to_show()),
        }

    def get_urls(self) -> list[URLPattern]:
        views: list[tuple[str, Callable[..., HttpResponseBase], str]] = [
            ("build/", self.build_now, "build_feed_now"),
            ("<int:pk>/download/", self.download, "download_feed"),
            ("<int:pk>/roll-back/", self.roll_back, "roll_back_feed"),
            ("<int:pk>/override/", self.override, "override_feed"),
            ("<int:pk>/unpin/", self.unpin, "unpin_feed"),
        ]
        wrap = self.admin_site.admin_view
        ours = [path(route, wrap(view), name=name) for route, view, name in views]
        return [*ours, *super().get_urls()]

    def build_now(self, request: HttpRequest) -> HttpResponse:
        self.require(request, "feeds.build_feed")
        enqueue("feeds.tasks.build_feed", cluster="imports")
        log_action(request, FeedBuild, gettext("Build the price list now"))
        text = gettext("Queued: the new version appears among the versions.")
        messages.success(request, text)
        return go_back(request)

    def download(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        build = get_object_or_404(FeedBuild, pk=pk)
        if not self.has_view_permission(request, build):
            raise PermissionDenied
        if not carrying.is_kept(build):
            raise Http404
        if not carrying.make_whole(build):
            text = gettext(
                "The kept file of version №%(pk)d is damaged: it cannot be downloaded "
                "or put back. The list in force and its file are not touched by this."
            )
            messages.error(request, text % {"pk": pk})
            return redirect("admin:feeds_feedbuild_change", pk)
        return FileResponse(
            gzip.open(files.version_path(pk)),  # closed when sent
            as_attachment=True,
            filename=f"kaspi_price_list-{pk}.xml",
            content_type="application/xml",
        )

    def roll_back(self, request: HttpRequest, pk: int) -> HttpResponse:
        response = self._ask(
            request,
            pk,
            permission="feeds.rollback_feed",
            is_possible=can_put_back,
            act=roll_back,
            title=gettext("Put version №%(pk)d back") % {"pk": pk},
            text=gettext(
                "Kaspi gets the goods and prices of this earlier list, with the stock "
                "of today. For a while automatic builds renew only the stock, then "
                "the list is made anew."
            ),
        )
        if isinstance(response, TemplateResponse):
            response.template_name = "admin/feeds/roll_back.html"
            response.context_data |= _what_it_changes(pk)  # type: ignore[operator]
        return response

    def override(self, request: HttpRequest, pk: int) -> HttpResponse:
        title = gettext("Publish in spite of the refusal of №%(pk)d")
        text = gettext(
            "The list is built anew from today's figures and published even though "
            "very many goods go off sale. A list that Kaspi could not read is "
            "refused all the same."
        )
        if get_object_or_404(FeedBuild, pk=pk).withholds:
            title = gettext("Take off sale what №%(pk)d keeps")
            text = gettext(
                "The list is built anew from today's figures, and what this version "
                "kept goes off sale. If too much else would go by now, it is shown "
                "first, too."
            )
        return self._ask(
            request,
            pk,
            permission="feeds.override_feed",
            is_possible=lambda build: build.may_be_overridden,
            act=override_refusal,
            title=title % {"pk": pk},
            text=text,
        )

    def unpin(self, request: HttpRequest, pk: int) -> HttpResponse:
        self.require(request, "feeds.rollback_feed")
        pinned = FeedBuild.objects.filter(pk=pk, pinned_until__isnull=False)
        what = gettext("Automatic builds go on")
        log_objects(request, pinned, what)
        if pinned.update(pinned_until=None):
            enqueue("feeds.tasks.build_feed", cluster="imports")
            messages.success(request, what)
        return redirect("admin:feeds_feedbuild_change", pk)

    def _ask(
        self,
        request: HttpRequest,
        pk: int,
        *,
        permission: str,
        is_possible: Callable[[FeedBuild], bool],
        act: Callable[..., BuildResult],
        title: str,
        text: str,
    ) -> HttpResponse:
        if not request.user.has_perm(permission):
            raise PermissionDenied
        build = get_object_or_404(FeedBuild, pk=pk)
        if not is_possible(build):
            messages.error(request, gettext("This is not possible any more."))
            return redirect("admin:feeds_feedbuild_change", pk)
        form = answer_form(request, ReasonForm)
        if form.is_valid():
            return self._act(request, build, act, form.cleaned_data["reason"], title)
        paragraphs: list[object] = [text]
        if build.reason:
            words = gettext("Reason given at that time")
            markup = '<span class="long"><span class="second">{}</span>{}</span>'
            paragraphs.append(format_html(markup, words, build.reason))
        return ask(request, self, form, title=title, paragraphs=paragraphs, about=build)

    def _act(
        self,
        request: HttpRequest,
        build: FeedBuild,
        act: Callable[..., BuildResult],
        reason: str,
        title: str,
    ) -> HttpResponse:
        actor = request.user.get_username()
        try:
            result = act(build, reason=reason, actor=actor, now=database_now())
        except LeaseTaken:
            text = gettext("A build is under way; try again in a minute.")
            messages.warning(request, text)
            return redirect("admin:feeds_feedbuild_change", build.pk)
        log_objects(
            request, FeedBuild.objects.filter(pk=build.pk), f"{title}: {reason}"
        )
        level = messages.SUCCESS if result.is_success else messages.ERROR
        messages.add_message(request, level, result.summary)
        return redirect("admin:feeds_feedbuild_change", result.build_pk or build.pk)

    @admin.display(description=_("version"), ordering="pk")
    def show_number(self, obj: FeedBuild) -> str:
        return str(obj)

    @admin.display(description=_("status"), ordering="status")
    def show_status(self, obj: FeedBuild) -> SafeString:
        if obj.is_pinned(now_to_show()):
            return format_html("{} {}", status_pill(obj), pill(_("pinned"), Tone.WARN))
        return status_pill(obj)

    @admin.display(description=_("started"), ordering="started_at")
    def show_started(self, obj: FeedBuild) -> SafeString:
        return when(obj.started_at)

    @admin.display(description=_("published"))
    def show_published(self, obj: FeedBuild) -> SafeString:
        return when(obj.published_at)

    @admin.display(description=_("offers"))
    def offers_count(self, obj: FeedBuild) -> SafeString:
        return _counted(obj, "offers")

    @admin.display(description=_("on sale"))
    def on_sale_count(self, obj: FeedBuild) -> SafeString:
        return _counted(obj, "on_sale")

    @admin.display(description=_("changes"))
    def show_changes(self, obj: FeedBuild) -> SafeString:
        changes = obj.counts.get("changes") or {}
        found = [
            f"{label} {grouped(changes[kind])}"
            for kind, label in CHANGES.items()
            if changes.get(kind)
        ]
        return format_html('<span class="long">{}</span>', ", ".join(found) or "—")

    # CSS knows the column by this name: field-show_reason in admin/phones.css.
    @admin.display(description=_("reason"))
    def show_reason(self, obj: FeedBuild) -> SafeString:
        return format_html('<span class="long">{}</span>', obj.reason)

    @admin.display(description=_("size"), ordering="size_bytes")
    def size_count(self, obj: FeedBuild) -> SafeString:
        return format_html('<span class="num">{}</span>', file_size(obj.size_bytes))

    @admin.display(description=_("file"))
    def show_file(self, obj: FeedBuild) -> SafeString:
        took = ""
        if obj.seconds is not None:
            took = gettext("%(s)s s") % {"s": number_format(obj.seconds, 1)}
        size = " · ".join(filter(None, [file_size(obj.size_bytes), took]))
        digest = obj.sha256 and f"SHA-256 {obj.sha256}"
        return format_html('<span class="long">{}</span>', two_lines(size, digest))


def _what_it_changes(pk: int) -> dict[str, Any]:
    """Show what a roll-back would change in the list, and what would undo it."""
    now = now_to_show()
    earlier = FeedBuild.objects.get(pk=pk)
    try:
        draft = draft_roll_back(earlier, now=now)
    except Refusal as refusal:
        return {"refusal": str(refusal)}
    # As a version's row would hold it.
    diff = json.loads(json.dumps(draft.differences.diff()))
    would_be = FeedBuild(counts=draft.counts, diff=diff)
    hold = timedelta(minutes=settings.FEED_ROLLBACK_HOLD_MIN)
    causes = causes_since(earlier.published_at or earlier.started_at)
    return {
        "differences": difference_tables(would_be),
        "hold_ends": absolute(now + hold, now=now),
        "causes": [
            (cause, cause.at and absolute(cause.at, now=now), _history_url(cause.row))
            for cause in causes
        ],
    }


def _history_url(row: Model | None) -> str:
    if row is None:
        return ""
    meta = row._meta
    name = f"admin:{meta.app_label}_{meta.model_name}_history"
    return reverse(name, args=[row.pk])


def _counted(build: FeedBuild, name: str) -> SafeString:
    value = build.counts.get(name)
    return format_html('<span class="num">{}</span>', grouped(value))


def can_put_back(build: FeedBuild) -> bool:
    """Tell whether the version was live once and its file is still kept."""
    was_live = build.status == Status.ARCHIVED
    return was_live and carrying.is_kept(build)
