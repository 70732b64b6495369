"""Whether each part of the bridge is alive, and the facts that tell it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django_q.models import OrmQ

from backoffice.formatting import Tone, grouped, when
from catalog.models import ImportRun
from feeds.models import FeedBuild, FeedFetch
from plumbing.models import Heartbeat
from plumbing.redaction import redact

CLUSTERS = ("orders", "imports")
# The beat comes every minute; a long task may hold it back a little.
BEAT_LATE = timedelta(minutes=5)
# Kaspi comes every 60 minutes.
FETCH_LATE = timedelta(minutes=90)
# The catalogue is read nightly.
CATALOGUE_LATE = timedelta(hours=36)
BUILDS_READ = 12

Kind = ImportRun.Kind
RunStatus = ImportRun.Status
BuildStatus = FeedBuild.Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the bridge: its state in a word, and the facts behind it."""

    title: str
    tone: Tone
    state: str
    facts: list[tuple[str, SafeString]]
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was read about all parts."""

    good_stock: ImportRun | None
    good_catalogue: ImportRun | None
    # The latest ended reading of each kind, good or not.
    last_runs: dict[str, ImportRun]
    last_failed: ImportRun | None
    active: FeedBuild | None
    # The latest ones, newest first.
    builds: Sequence[FeedBuild]
    last_fetch: FeedFetch | None
    beats: dict[str, Heartbeat]
    waiting_tasks: int

    @property
    def last_settled(self) -> FeedBuild | None:
        """The latest build that has come to an end."""
        under_way = (BuildStatus.BUILDING, BuildStatus.PUBLISHING)
        return next((b for b in self.builds if b.status not in under_way), None)

    @property
    def last_counted(self) -> FeedBuild | None:
        """The latest build whose counts are those of the live list."""
        told = (BuildStatus.ACTIVE, BuildStatus.UNCHANGED)
        newest = next((b for b in self.builds if b.status in told and b.counts), None)
        return newest or self.active


def read_facts(*, now: datetime) -> Facts:
    """Read what tells whether the parts are alive."""
    runs = ImportRun.objects.filter(is_dry_run=False).defer("bad_rows")
    ended = runs.exclude(status=RunStatus.RUNNING)
    last_runs = {
        kind: run
        for kind in Kind.values
        if (run := ended.filter(kind=kind).first()) is not None
    }
    failed = (r for r in last_runs.values() if r.status == RunStatus.FAILED)
    return Facts(
        good_stock=_last_good(last_runs.get(Kind.STOCK), Kind.STOCK),
        good_catalogue=_last_good(last_runs.get(Kind.CATALOGUE), Kind.CATALOGUE),
        last_runs=last_runs,
        last_failed=max(failed, key=lambda run: run.started_at, default=None),
        active=FeedBuild.objects.filter(status=BuildStatus.ACTIVE)
        .defer("diff")
        .first(),
        builds=list(FeedBuild.objects.defer("diff")[:BUILDS_READ]),
        last_fetch=FeedFetch.objects.filter(is_kaspi=True, status_code__lt=400).first(),
        beats={beat.name: beat for beat in Heartbeat.objects.all()},
        waiting_tasks=OrmQ.objects.count(),
    )


def _last_good(last: ImportRun | None, kind: ImportRun.Kind) -> ImportRun | None:
    if last is None or last.status == RunStatus.DONE:
        return last
    good = ImportRun.objects.filter(
        kind=kind, status=RunStatus.DONE, is_dry_run=False
    ).defer("bad_rows")
    return good.order_by("-finished_at").first()


def stock_read_at(facts: Facts) -> datetime | None:
    """Tell when stock was last read whole; a catalogue reading reads it too."""
    good = (facts.good_stock, facts.good_catalogue)
    return max((run.started_at for run in good if run), default=None)


def stock_is_late(facts: Facts, *, now: datetime) -> bool:
    """Tell whether the stock is so old that goods come off sale."""
    read_at = stock_read_at(facts)
    limit = timedelta(minutes=settings.STOCK_STALE_AFTER_MIN)
    return read_at is None or now - read_at > limit


def fetch_is_late(facts: Facts, *, now: datetime) -> bool:
    """Tell whether Kaspi should have come by now."""
    if facts.active is None:
        return False
    since = facts.last_fetch.fetched_at if facts.last_fetch else None
    waited = since or facts.active.published_at or facts.active.started_at
    return now - waited > FETCH_LATE


def silent_clusters(facts: Facts, *, now: datetime) -> list[str]:
    """Name the worker clusters that show no sign of life."""
    return [
        name
        for name in CLUSTERS
        if name not in facts.beats or now - facts.beats[name].beaten_at > BEAT_LATE
    ]


def supplier_part(facts: Facts, *, now: datetime) -> Part:
    """Tell how the readings of Al-Style go."""
    if stock_is_late(facts, now=now):
        tone, state = Tone.BAD, _("out of date")
    elif facts.last_failed is not None:
        tone, state = Tone.WARN, _("failing")
    else:
        tone, state = Tone.GOOD, _("fresh")
    shown = [
        (_("Stock read"), _run_link(facts.good_stock, now=now)),
        (_("Catalogue read"), _run_link(facts.good_catalogue, now=now)),
    ]
    if failed := facts.last_failed:
        reason = format_html(
            '{}<span class="second">{}</span>',
            _run_link(failed, now=now),
            redact(failed.message),
        )
        shown.append((_("Last failure"), reason))
    dated = facts.good_stock or facts.good_catalogue
    if dated and dated.supplier_date:
        shown.append((_("Supplier's date"), format_html("{}", dated.supplier_date)))
    url = reverse("admin:catalog_importrun_changelist")
    return Part(title="Al-Style", tone=tone, state=state, facts=shown, url=url)


def price_list_part(facts: Facts, *, now: datetime) -> Part:
    """Tell which version is live and how the last build went."""
    url = reverse("admin:feeds_feedbuild_changelist")
    title, active, last = _("Price list"), facts.active, facts.last_settled
    if active is None:
        state = _("never published")
        return Part(title=title, tone=Tone.BAD, state=state, facts=[], url=url)
    if last and last.status in (BuildStatus.REFUSED, BuildStatus.FAILED):
        tone, state = Tone.WARN, _("last build refused")
    elif active.held_until and active.held_until > now:
        tone, state = Tone.WARN, _("kept by hand")
    else:
        tone, state = Tone.GOOD, _("live")
    shown = [
        (
            _("Live version"),
            format_html(
                '<a href="{}">{}</a> {}',
                reverse("admin:feeds_feedbuild_change", args=[active.pk]),
                active,
                when(active.published_at, now=now),
            ),
        ),
        (_("Offers"), format_html("{}", grouped(active.counts.get("offers")))),
        (_("On sale"), format_html("{}", grouped(active.counts.get("on_sale")))),
    ]
    if last:
        shown.append((_("Last build"), when(last.started_at, now=now)))
    return Part(title=title, tone=tone, state=state, facts=shown, url=url)


def fetch_part(facts: Facts, *, now: datetime) -> Part:
    """Tell when Kaspi fetched the list last."""
    fetch = facts.last_fetch
    if fetch_is_late(facts, now=now):
        tone = Tone.BAD
        state = _("over 90 minutes ago") if fetch else _("never")
    elif fetch is None:
        tone, state = Tone.QUIET, _("not yet")
    else:
        tone, state = Tone.GOOD, _("on time")
    shown = [(_("Last fetch"), when(fetch.fetched_at if fetch else None, now=now))]
    if fetch and fetch.build_id:
        url = reverse("admin:feeds_feedbuild_change", args=[fetch.build_id])
        link = format_html('<a href="{}">№{}</a>', url, fetch.build_id)
        shown.append((_("Version fetched"), link))
    if fetch:
        shown.append((_("Answer"), format_html("{}", fetch.status_code)))
    url = reverse("admin:feeds_feedfetch_changelist")
    title = _("Fetched by Kaspi")
    return Part(title=title, tone=tone, state=state, facts=shown, url=url)


def workers_part(facts: Facts, *, now: datetime) -> Part:
    """Tell whether both clusters take tasks."""
    silent = silent_clusters(facts, now=now)
    shown = []
    for name in CLUSTERS:
        beat = facts.beats.get(name)
        said = when(beat.beaten_at if beat else None, now=now)
        host = beat.host if beat else ""
        shown.append((cluster_label(name), format_html("{} {}", said, host)))
    shown.append((_("Tasks waiting"), format_html("{}", grouped(facts.waiting_tasks))))
    return Part(
        title=_("Workers"),
        tone=Tone.BAD if silent else Tone.GOOD,
        state=_("silent") if silent else _("working"),
        facts=shown,
        url="",
    )


def cluster_label(name: str) -> str:
    """Say what a cluster does."""
    labels = {"orders": _("Orders"), "imports": _("Readings and price list")}
    return labels.get(name, name)


def _run_link(run: ImportRun | None, *, now: datetime) -> SafeString:
    if run is None:
        return format_html("{}", _("never"))
    url = reverse("admin:catalog_importrun_change", args=[run.pk])
    return format_html(
        '<a href="{}">{}</a>', url, when(run.finished_at or run.started_at, now=now)
    )
