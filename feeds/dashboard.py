"""What the overview shows of the price list: its versions, its readers, its gaps."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from backoffice.asking import Answers, ask
from backoffice.dashboard import (
    RECENT,
    Breakdown,
    DashboardDetails,
    DashboardSection,
    Figure,
    Journal,
    Recent,
    Share,
    StatusCard,
    draw_days,
    drawn_days,
    make_shares,
)
from backoffice.formatting import Tone, grouped, when
from feeds.admin.versions import build_buttons, status_pill
from feeds.fetching import can_tell_kaspi
from feeds.models import FeedBuild
from feeds.needs import (
    PriceListState,
    ask_feeds,
    build_url,
    needs_of_builds,
    needs_of_fetches,
    needs_of_goods,
    needs_of_stores,
    read_state,
)
from feeds.offers import Reason
from plumbing.redaction import redact


def read_feeds(*, now: datetime, answers: Answers | None = None) -> DashboardSection:
    """Read what the overview shows of the price list first."""
    answers = ask(ask_feeds()) if answers is None else answers
    state = read_state(answers)
    products = reverse("admin:catalog_product_changelist")
    return DashboardSection(
        needs=[
            *needs_of_stores(answers),
            *needs_of_builds(state, now=now),
            *needs_of_fetches(state, now=now),
            *needs_of_goods(state.last_counted),
        ],
        cards=[_price_list_card(state, now=now), _fetch_card(state, now=now)],
        figures=[
            Figure(
                label=_("on sale now"),
                value=grouped(answers["on_sale"]),
                url=f"{products}?sale=on_sale",
            )
        ],
    )


def read_feeds_details(request: HttpRequest, *, now: datetime) -> DashboardDetails:
    """Read what the overview's fold shows of the price list."""
    state = read_state()
    return DashboardDetails(
        buttons=build_buttons(request),
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
        build_url(active),
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
    if not can_tell_kaspi():
        text = _("It cannot be known which fetches are Kaspi's: give the list a login")
        details.append((_("Note"), format_html("{}", text)))
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
    if "offers" in build.counts:
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
        url=build_url(build),
    )
