"""What needs a person now, the most pressing first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backoffice.formatting import Tone, ago, grouped
from bridge_site.liveness import (
    BuildStatus,
    Facts,
    cluster_label,
    fetch_is_late,
    silent_clusters,
    stock_is_late,
    stock_read_at,
)
from catalog.models import Category, PriceRule, Product
from feeds.models import Store
from feeds.offers import Reason
from plumbing.redaction import redact

# Builds come every ten minutes.
BUILD_LATE = timedelta(minutes=45)
ORDER = (Tone.BAD, Tone.WARN, Tone.INFO)
LABELS = {
    Tone.BAD: lambda: _("urgent"),
    Tone.WARN: lambda: _("to do"),
    Tone.INFO: lambda: _("look"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One thing to do, and the page where it is done."""

    tone: Tone
    text: str
    url: str = ""

    @property
    def label(self) -> str:
        """Say how pressing it is."""
        return LABELS[self.tone]()


def find_needs(
    facts: Facts, *, held: dict[str, int], failed_tasks: int, now: datetime
) -> list[Need]:
    """Collect what needs a person."""
    found = [
        *_from_workers(facts, now=now),
        *_from_supplier(facts, now=now),
        *_from_settings(),
        *_from_price_list(facts, now=now),
        *_from_fetches(facts, now=now),
        *_from_quarantine(held),
        *_from_goods(facts),
    ]
    if failed_tasks:
        text = _("Tasks of the queue failed within a day")
        found.append(Need(tone=Tone.WARN, text=text, url="#failed-tasks"))
    return in_order(found)


def in_order(needs: list[Need]) -> list[Need]:
    """Put the most pressing first."""
    return sorted(needs, key=lambda need: ORDER.index(need.tone))


def _from_workers(facts: Facts, *, now: datetime) -> Iterator[Need]:
    for name in silent_clusters(facts, now=now):
        beat = facts.beats.get(name)
        since = ago(beat.beaten_at, now=now) if beat else _("never")
        text = _("Workers “%(name)s” are silent; last sign of life: %(since)s")
        figures = {"name": cluster_label(name), "since": since}
        yield Need(tone=Tone.BAD, text=text % figures)


def _from_supplier(facts: Facts, *, now: datetime) -> Iterator[Need]:
    url = reverse("admin:catalog_importrun_changelist")
    if stock_is_late(facts, now=now):
        read_at = stock_read_at(facts)
        since = ago(read_at, now=now) if read_at else _("never")
        text = _("Stock was last read %(since)s: the goods come off sale")
        yield Need(tone=Tone.BAD, text=text % {"since": since}, url=url)
    for run in facts.last_runs.values():
        page = reverse("admin:catalog_importrun_change", args=[run.pk])
        figures = {"kind": run.get_kind_display(), "reason": redact(run.message)}
        if run.status == run.Status.FAILED:
            text = _("The last reading failed (%(kind)s): %(reason)s") % figures
            yield Need(tone=Tone.WARN, text=text, url=page)
        elif bad := run.counts.get("bad", 0):
            text = ngettext(
                "%(n)s row of the last reading could not be used (%(kind)s)",
                "%(n)s rows of the last reading could not be used (%(kind)s)",
                bad,
            )
            text %= {**figures, "n": grouped(bad)}
            yield Need(tone=Tone.INFO, text=text, url=page)


def _from_settings() -> Iterator[Need]:
    if not Store.objects.filter(is_active=True).exists():
        text = _("No active point of sale: without one no price list can be made")
        yield Need(
            tone=Tone.BAD, text=text, url=reverse("admin:feeds_store_changelist")
        )
    if not PriceRule.objects.filter(is_active=True).exists():
        text = _("No price rule is in force: no product gets a price")
        url = reverse("admin:catalog_pricerule_changelist")
        yield Need(tone=Tone.BAD, text=text, url=url)
    by_hand = Product.objects.filter(is_published=Product.Publish.YES)
    if not Category.objects.filter(is_published=True).exists() and not by_hand.exists():
        text = _("No category is sold: choose what to sell")
        url = reverse("admin:catalog_category_changelist")
        yield Need(tone=Tone.WARN, text=text, url=url)


def _from_price_list(facts: Facts, *, now: datetime) -> Iterator[Need]:
    url = reverse("admin:feeds_feedbuild_changelist")
    last = facts.last_settled
    if last is None:
        text = _("The price list was never built")
        yield Need(tone=Tone.WARN, text=text, url=url)
        return
    page = reverse("admin:feeds_feedbuild_change", args=[last.pk])
    figures = {"number": last.pk, "reason": redact(last.reason)}
    if last.status == BuildStatus.REFUSED:
        text = _("Price list №%(number)d was refused: %(reason)s") % figures
        yield Need(tone=Tone.BAD, text=text, url=page)
    elif last.status == BuildStatus.FAILED:
        text = _("Price list №%(number)d failed: %(reason)s") % figures
        yield Need(tone=Tone.BAD, text=text, url=page)
    is_held = bool(facts.active and facts.active.held_until)
    if now - facts.builds[0].started_at > BUILD_LATE and not is_held:
        text = _("The price list was last built %(since)s")
        since = ago(facts.builds[0].started_at, now=now)
        yield Need(tone=Tone.WARN, text=text % {"since": since}, url=url)
    held_until = facts.active.held_until if facts.active else None
    if facts.active and held_until and held_until > now:
        text = _("Version №%(number)d was put back by hand: nothing new is published")
        page = reverse("admin:feeds_feedbuild_change", args=[facts.active.pk])
        yield Need(tone=Tone.INFO, text=text % {"number": facts.active.pk}, url=page)


def _from_fetches(facts: Facts, *, now: datetime) -> Iterator[Need]:
    if not fetch_is_late(facts, now=now):
        return
    url = reverse("admin:feeds_feedfetch_changelist")
    if facts.last_fetch is None:
        text = _("Kaspi has never fetched the price list: check its address there")
    else:
        text = _("Kaspi last fetched the price list %(since)s; it should every hour")
        text %= {"since": ago(facts.last_fetch.fetched_at, now=now)}
    yield Need(tone=Tone.BAD, text=text, url=url)


def _from_quarantine(held: dict[str, int]) -> Iterator[Need]:
    url = reverse("admin:catalog_product_changelist")
    for hold in (Product.Hold.JUMP, Product.Hold.BELOW_FLOOR, Product.Hold.NO_RULE):
        if number := held.get(hold, 0):
            text = _("Quarantine, “%(reason)s”: %(number)s")
            text %= {"reason": hold.label, "number": grouped(number)}
            yield Need(tone=Tone.WARN, text=text, url=f"{url}?hold={hold.value}")


def _from_goods(facts: Facts) -> Iterator[Need]:
    build = facts.last_counted
    url = reverse("admin:catalog_product_changelist")
    for reason in (Reason.BAD_SKU, Reason.BAD_NAME):
        counts = build.counts if build else {}
        number = (counts.get("left_out") or {}).get(reason, 0)
        if number:
            text = _("Not sold, “%(reason)s”: %(number)s")
            text %= {"reason": reason.label, "number": grouped(number)}
            yield Need(tone=Tone.INFO, text=text, url=f"{url}?sale={reason.value}")
