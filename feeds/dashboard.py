"""What the overview shows of the price list: its versions, its readers, its gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from backoffice.dashboard import (
    RECENT,
    Breakdown,
    DashboardSection,
    Figure,
    Journal,
    Need,
    Recent,
    Share,
    StatusCard,
    draw_days,
    drawn_days,
    make_shares,
)
from backoffice.formatting import Tone, ago, grouped, when
from feeds.admin.versions import build_buttons, status_pill
from feeds.models import FeedBuild, FeedFetch, Listing, Store
from feeds.offers import Reason
from plumbing.redaction import redact

# Kaspi comes every 60 minutes.
FETCH_LATE = timedelta(minutes=90)
# Builds come every ten minutes.
BUILD_LATE = timedelta(minutes=45)
# More than are shown: behind those under way and refused, the last good one is sought.
BUILDS_READ = 12

Status = FeedBuild.Status


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceListState:
    """The live version, the latest builds (newest first) and Kaspi's last fetch."""

    active: FeedBuild | None
    builds: Sequence[FeedBuild]
    last_fetch: FeedFetch | None

    @property
    def last_settled(self) -> FeedBuild | None:
        """The latest build that has come to an end."""
        return next((b for b in self.builds if not b.is_under_way), None)

    @property
    def last_counted(self) -> FeedBuild | None:
        """The latest build whose counts are those of the live list."""
        told = (Status.ACTIVE, Status.UNCHANGED)
        newest = next((b for b in self.builds if b.status in told and b.counts), None)
        return newest or self.active

    def is_fetch_late(self, *, now: datetime) -> bool:
        """Return whether Kaspi should have come by now."""
        if self.active is None:
            return False
        since = self.last_fetch.fetched_at if self.last_fetch else None
        waited = since or self.active.published_at or self.active.started_at
        return now - waited > FETCH_LATE


def read_feeds(request: HttpRequest, *, now: datetime) -> DashboardSection:
    """Read what the overview shows of the price list."""
    state = read_state()
    products = reverse("admin:catalog_product_changelist")
    on_sale = Listing.objects.on_sale().count()
    return DashboardSection(
        needs=[
            *_needs_of_stores(),
            *_needs_of_builds(state, now=now),
            *_needs_of_fetches(state, now=now),
            *_needs_of_goods(state.last_counted),
        ],
        cards=[_price_list_card(state, now=now), _fetch_card(state, now=now)],
        buttons=build_buttons(request),
        figures=[
            Figure(
                label=_("on sale now"),
                value=grouped(on_sale),
                url=f"{products}?sale=on_sale",
            )
        ],
        charts=[draw_on_sale(now=now)],
        breakdowns=[
            Breakdown(
                title=_("Not on sale, by reason"),
                anchor="left-out",
                shares=_left_out(state.last_counted),
            )
        ],
        journals=[
            Journal(
                title=_("Latest builds"),
                url=reverse("admin:feeds_feedbuild_changelist"),
                rows=[_row(build, now=now) for build in state.builds[:RECENT]],
            )
        ],
    )


def read_state() -> PriceListState:
    """Read what tells whether the price list lives."""
    builds = FeedBuild.objects.defer("diff")
    return PriceListState(
        active=builds.live().first(),
        builds=list(builds[:BUILDS_READ]),
        last_fetch=FeedFetch.objects.by_kaspi().successful().first(),
    )


def draw_on_sale(*, now: datetime) -> SafeString:
    """Draw how many goods were on sale at each day's end, from the versions."""
    days = drawn_days(now=now)
    versions = FeedBuild.objects.filter(published_at__gte=days[0] - timedelta(days=1))
    rows = versions.order_by("published_at").values_list(
        "published_at", "counts__on_sale"
    )
    by_day = {timezone.localtime(at).date(): number for at, number in rows}
    values, known = [], None
    for day in days:
        # A day without a new version shows what stayed live.
        known = by_day.get(day.date(), known)
        values.append(known)
    return draw_days(values, days=days, title=_("Products on sale by day"))


def _needs_of_stores() -> Iterator[Need]:
    if not Store.objects.active().exists():
        text = _("No active point of sale: without one no price list can be made")
        url = reverse("admin:feeds_store_changelist")
        yield Need(tone=Tone.BAD, text=text, url=url)


def _needs_of_builds(state: PriceListState, *, now: datetime) -> Iterator[Need]:
    url = reverse("admin:feeds_feedbuild_changelist")
    last, active = state.last_settled, state.active
    if last is None:
        text = _("The price list was never built")
        yield Need(tone=Tone.WARN, text=text, url=url)
        return
    if last.came_to_nothing:
        if last.status == Status.REFUSED:
            text = _("Price list №%(number)d was refused: %(reason)s")
        else:
            text = _("Price list №%(number)d failed: %(reason)s")
        text %= {"number": last.pk, "reason": redact(last.reason)}
        yield Need(tone=Tone.BAD, text=text, url=_build_url(last))
    elif last.withholds:
        text = _("Too much would go off sale at once. №%(number)d: %(reason)s")
        text %= {"number": last.pk, "reason": redact(last.reason)}
        yield Need(tone=Tone.BAD, text=text, url=_build_url(last))
    started_at = state.builds[0].started_at
    if now - started_at > BUILD_LATE and not (active and active.pinned_until):
        text = _("The price list was last built %(since)s")
        text %= {"since": ago(started_at, now=now)}
        yield Need(tone=Tone.WARN, text=text, url=url)
    if active and active.is_pinned(now):
        text = _("Version №%(number)d was put back by hand: nothing new is published")
        text %= {"number": active.pk}
        yield Need(tone=Tone.INFO, text=text, url=_build_url(active))


def _needs_of_fetches(state: PriceListState, *, now: datetime) -> Iterator[Need]:
    if not state.is_fetch_late(now=now):
        return
    if state.last_fetch is None:
        text = _("Kaspi has never fetched the price list: check its address there")
    else:
        text = _("Kaspi last fetched the price list %(since)s; it should every hour")
        text %= {"since": ago(state.last_fetch.fetched_at, now=now)}
    url = reverse("admin:feeds_feedfetch_changelist")
    yield Need(tone=Tone.BAD, text=text, url=url)


def _needs_of_goods(build: FeedBuild | None) -> Iterator[Need]:
    left_out = (build.counts.get("left_out") if build else None) or {}
    url = reverse("admin:catalog_product_changelist")
    for reason in (Reason.BAD_SKU, Reason.BAD_NAME):
        if number := left_out.get(reason, 0):
            text = _("Not sold, “%(reason)s”: %(number)s")
            text %= {"reason": reason.label, "number": grouped(number)}
            yield Need(tone=Tone.INFO, text=text, url=f"{url}?sale={reason.value}")


def _price_list_card(state: PriceListState, *, now: datetime) -> StatusCard:
    url = reverse("admin:feeds_feedbuild_changelist")
    title, active, last = _("Price list"), state.active, state.last_settled
    if active is None:
        said = _("never published")
        return StatusCard(title=title, tone=Tone.BAD, state=said, details=[], url=url)
    if last and last.came_to_nothing:
        tone, said = Tone.WARN, _("last build refused")
    elif last and last.withholds:
        tone, said = Tone.WARN, _("keeps offers that should go off sale")
    elif active.is_pinned(now):
        tone, said = Tone.WARN, _("pinned by hand")
    else:
        tone, said = Tone.GOOD, _("live")
    link = format_html(
        '<a href="{}">{}</a> {}',
        _build_url(active),
        active,
        when(active.published_at, now=now),
    )
    details = [
        (_("Live version"), link),
        (_("Offers"), format_html("{}", grouped(active.counts.get("offers")))),
        (_("On sale"), format_html("{}", grouped(active.counts.get("on_sale")))),
    ]
    if last:
        details.append((_("Last build"), when(last.started_at, now=now)))
    return StatusCard(title=title, tone=tone, state=said, details=details, url=url)


def _fetch_card(state: PriceListState, *, now: datetime) -> StatusCard:
    fetch = state.last_fetch
    if state.is_fetch_late(now=now):
        tone = Tone.BAD
        said = _("over 90 minutes ago") if fetch else _("never")
    elif fetch is None:
        tone, said = Tone.QUIET, _("not yet")
    else:
        tone, said = Tone.GOOD, _("on time")
    details = [(_("Last fetch"), when(fetch.fetched_at if fetch else None, now=now))]
    if fetch and fetch.build_id:
        url = reverse("admin:feeds_feedbuild_change", args=[fetch.build_id])
        link = format_html('<a href="{}">№{}</a>', url, fetch.build_id)
        details.append((_("Version fetched"), link))
    if fetch:
        details.append((_("Answer"), format_html("{}", fetch.status_code)))
    url = reverse("admin:feeds_feedfetch_changelist")
    title = _("Fetched by Kaspi")
    return StatusCard(title=title, tone=tone, state=said, details=details, url=url)


def _left_out(build: FeedBuild | None) -> list[Share]:
    numbers: Counter[str] = Counter()
    for part in ("left_out", "withdrawn_for"):
        numbers.update((build.counts.get(part) if build else None) or {})
    return make_shares(
        dict(numbers.most_common()),
        labels={reason.value: str(reason.label) for reason in Reason},
        url=reverse("admin:catalog_product_changelist") + "?sale=",
    )


def _row(build: FeedBuild, *, now: datetime) -> Recent:
    text = f"{build}"
    if build.counts:
        text += ": " + _("%(on_sale)s of %(offers)s offers on sale") % {
            "on_sale": grouped(build.counts.get("on_sale")),
            "offers": grouped(build.counts.get("offers")),
        }
    if build.reason:
        text += f"; {redact(build.reason)}"
    return Recent(
        when=when(build.started_at, now=now),
        pill=status_pill(build),
        text=text,
        url=_build_url(build),
    )


def _build_url(build: FeedBuild) -> str:
    return reverse("admin:feeds_feedbuild_change", args=[build.pk])
