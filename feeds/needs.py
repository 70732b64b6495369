"""What of the price list needs a person, for the overview and alerts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backoffice.asking import Answers, Number, Questions, Rows, ask, objects
from backoffice.dashboard import Need, NeedKind
from backoffice.formatting import Tone, ago, grouped
from feeds.comparing import what_is_withheld
from feeds.fetching import can_tell_kaspi
from feeds.models import TEST_AGENT, FeedBuild, FeedFetch, Listing, Store
from feeds.offers import Reason
from plumbing.redaction import redact

# Kaspi comes every 60 minutes.
FETCH_LATE = timedelta(minutes=90)
# Builds come every ten minutes.
BUILD_LATE = timedelta(minutes=45)
# More than are shown: behind those under way and refused, the last good one is sought.
BUILDS_READ = 12
# Of the versions what is told; their differences may be long.
BUILD_FIELDS = (
    *("id", "status", "started_at", "published_at", "counts", "reason"),
    "pinned_until",
)
FETCH_FIELDS = ("id", "fetched_at", "status_code", "build_id")

Status = FeedBuild.Status

REFUSED = NeedKind(code="list-refused", label=gettext_lazy("Price list refused"))
MERGED = NeedKind(
    code="list-merged", label=gettext_lazy("Price list keeps goods on sale")
)
OLD = NeedKind(code="list-old", label=gettext_lazy("Price list is too old"))
UNFETCHED = NeedKind(
    code="list-unfetched", label=gettext_lazy("Kaspi does not fetch the price list")
)


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


def ask_feeds() -> Questions:
    """Name what the overview must know of the price list."""
    newest = FeedBuild.objects.order_by("-started_at", "-pk").values("pk")
    wanted = Q(pk__in=newest[:BUILDS_READ]) | Q(status=Status.ACTIVE)
    fetches = FeedFetch.objects.successful().order_by("-fetched_at")
    if can_tell_kaspi():
        fetches = fetches.by_kaspi()
    else:
        # Where nothing tells which are Kaspi's, anybody's must do but our own test.
        fetches = fetches.exclude(user_agent=TEST_AGENT)
    return {
        "builds": Rows(FeedBuild.objects.filter(wanted).values(*BUILD_FIELDS)),
        "fetched": Rows(fetches.values(*FETCH_FIELDS)[:1]),
        "has_store": Exists(Store.objects.active()),
        "on_sale": Number(Listing.objects.on_sale()),
    }


def read_needs(*, now: datetime) -> list[Need]:
    """Read what alerts tell of the price list."""
    state = read_state()
    needs = [*needs_of_builds(state, now=now), *needs_of_fetches(state, now=now)]
    return [need for need in needs if need.kind is not None]


def read_state(answers: Answers | None = None) -> PriceListState:
    """Read what tells whether the price list lives."""
    if answers is None:
        questions = ask_feeds()
        answers = ask({name: questions[name] for name in ("builds", "fetched")})
    builds = objects(FeedBuild, answers["builds"])
    builds.sort(key=lambda build: (build.started_at, build.pk), reverse=True)
    return PriceListState(
        active=next((b for b in builds if b.status == Status.ACTIVE), None),
        builds=builds[:BUILDS_READ],
        last_fetch=next(iter(objects(FeedFetch, answers["fetched"])), None),
    )


def needs_of_stores(answers: Answers) -> Iterator[Need]:
    if not answers["has_store"]:
        text = _("No active point of sale: without one no price list can be made")
        url = reverse("admin:feeds_store_changelist")
        yield Need(tone=Tone.BAD, text=text, url=url)


def needs_of_builds(state: PriceListState, *, now: datetime) -> Iterator[Need]:
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
        yield Need(tone=Tone.BAD, text=text, url=build_url(last), kind=REFUSED)
    elif last.withholds:
        text = _("Too much would go off sale at once. №%(number)d: %(reason)s")
        # The reason of one that was put back says why it was.
        is_put_back = "put_back" in last.counts
        said = what_is_withheld(last.counts) if is_put_back else last.reason
        text %= {"number": last.pk, "reason": redact(said)}
        yield Need(tone=Tone.BAD, text=text, url=build_url(last), kind=MERGED)
    started_at = state.builds[0].started_at
    if now - started_at > BUILD_LATE:
        text = _("The price list was last built %(since)s")
        text %= {"since": ago(started_at, now=now)}
        yield Need(tone=Tone.WARN, text=text, url=url, kind=OLD)
    if active and active.is_pinned(now):
        text = _("Version №%(number)d was put back by hand: nothing new is published")
        text %= {"number": active.pk}
        yield Need(tone=Tone.INFO, text=text, url=build_url(active))


def needs_of_fetches(state: PriceListState, *, now: datetime) -> Iterator[Need]:
    if not state.is_fetch_late(now=now):
        return
    if state.last_fetch is None:
        text = _("Kaspi has never fetched the price list: check its address there")
    else:
        text = _("Kaspi last fetched the price list %(since)s; it should every hour")
        text %= {"since": ago(state.last_fetch.fetched_at, now=now)}
    url = reverse("admin:feeds_feedfetch_changelist")
    yield Need(tone=Tone.BAD, text=text, url=url, kind=UNFETCHED, is_urgent=True)


def needs_of_goods(build: FeedBuild | None) -> Iterator[Need]:
    left_out = (build.counts.get("left_out") if build else None) or {}
    url = reverse("admin:catalog_product_changelist")
    for reason in (Reason.BAD_SKU, Reason.BAD_NAME):
        if number := left_out.get(reason, 0):
            text = _("Not sold, “%(reason)s”: %(number)s")
            text %= {"reason": reason.label, "number": grouped(number)}
            yield Need(tone=Tone.INFO, text=text, url=f"{url}?sale={reason.value}")


def build_url(build: FeedBuild) -> str:
    return reverse("admin:feeds_feedbuild_change", args=[build.pk])
