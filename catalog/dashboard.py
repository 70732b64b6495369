"""What the overview shows of the goods and of their imports from Al-Style."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backoffice.dashboard import (
    RECENT,
    Breakdown,
    DashboardSection,
    Figure,
    Journal,
    Need,
    Recent,
    StatusCard,
    draw_days,
    drawn_days,
    make_shares,
)
from backoffice.formatting import Tone, ago, duration, grouped, two_lines, when
from catalog.admin.imports import import_buttons, status_pill
from catalog.availability import stock_is_stale, stock_read_at
from catalog.models import Category, ImportRun, PriceRule, Product
from plumbing.redaction import redact


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRuns:
    """The latest imports by kind, dry runs left out."""

    # Good or not.
    ended: dict[str, ImportRun]
    # Older than the ended one when that failed.
    good: dict[str, ImportRun]

    @property
    def failed(self) -> ImportRun | None:
        """The latest one that failed, with no later one of its kind."""
        failed = [run for run in self.ended.values() if run.has_failed]
        return max(failed, key=lambda run: run.started_at, default=None)


def read_catalog(request: HttpRequest, *, now: datetime) -> DashboardSection:
    """Read what the overview shows of the catalogue."""
    last = read_last_runs()
    is_stale = stock_is_stale(now=now)
    runs = recent_runs(now=now)
    quarantine = count_quarantine()
    products = reverse("admin:catalog_product_changelist")
    midnight = drawn_days(now=now)[-1]
    changed = sum(run.changed_goods for run in runs if run.started_at >= midnight)
    return DashboardSection(
        needs=[
            *_needs_of_imports(last, is_stale=is_stale, now=now),
            *_needs_of_settings(),
            *_needs_of_quarantine(quarantine),
        ],
        cards=[_supplier_card(last, is_stale=is_stale, now=now)],
        buttons=import_buttons(request),
        figures=[
            Figure(
                label=_("in quarantine"),
                value=grouped(sum(quarantine.values())),
                url=f"{products}?quarantine=any",
            ),
            Figure(
                label=_("changed today"),
                value=grouped(changed),
                url=reverse("admin:catalog_productchange_changelist"),
            ),
        ],
        charts=[draw_changes(runs, now=now)],
        breakdowns=[
            Breakdown(
                title=_("In quarantine, by reason"),
                anchor="quarantine",
                shares=make_shares(
                    quarantine,
                    labels={r.value: str(r.label) for r in Product.Quarantine},
                    url=f"{products}?quarantine=",
                ),
            )
        ],
        journals=[
            Journal(
                title=_("Latest imports"),
                url=reverse("admin:catalog_importrun_changelist"),
                rows=[_row(run, now=now) for run in runs[:RECENT]],
            )
        ],
    )


def read_last_runs() -> LastRuns:
    """Read the latest imports of each kind."""
    ended, good = {}, {}
    for kind in ImportRun.Kind.values:
        runs = ImportRun.objects.filter(kind=kind).defer("bad_rows")
        last = runs.real().ended().first()
        if last is None:
            continue
        ended[kind] = last
        if not last.is_done:
            last = runs.good().order_by("-finished_at").first()
        if last is not None:
            good[kind] = last
    return LastRuns(ended=ended, good=good)


def recent_runs(*, now: datetime) -> list[ImportRun]:
    """Read the real imports of the days that are drawn, newest first."""
    since = drawn_days(now=now)[0]
    runs = ImportRun.objects.real().filter(started_at__gte=since)
    return list(runs.defer("bad_rows"))


def count_quarantine() -> dict[str, int]:
    """Count the goods in quarantine by reason, the most frequent first."""
    reasons = Product.objects.quarantined().order_by().values_list("quarantine")
    return dict(reasons.annotate(number=Count("pk")).order_by("-number"))


def draw_changes(runs: Sequence[ImportRun], *, now: datetime) -> SafeString:
    """Draw how many goods the imports of each day changed."""
    totals: Counter[date] = Counter()
    for run in runs:
        totals[timezone.localtime(run.started_at).date()] += run.changed_goods
    days = drawn_days(now=now)
    values = [totals[day.date()] for day in days]
    return draw_days(values, days=days, title=_("Stock and price changes by day"))


def _needs_of_imports(
    last: LastRuns, *, is_stale: bool, now: datetime
) -> Iterator[Need]:
    if is_stale:
        read_at = stock_read_at()
        since = ago(read_at, now=now) if read_at else _("never")
        text = _("Stock was last read %(since)s: the goods come off sale")
        url = reverse("admin:catalog_importrun_changelist")
        yield Need(tone=Tone.BAD, text=text % {"since": since}, url=url)
    for run in last.ended.values():
        url = reverse("admin:catalog_importrun_change", args=[run.pk])
        figures = {"kind": run.get_kind_display(), "reason": redact(run.message)}
        if run.has_failed:
            text = _("The last import failed (%(kind)s): %(reason)s") % figures
            yield Need(tone=Tone.WARN, text=text, url=url)
        elif bad := run.counts.get("bad", 0):
            text = ngettext(
                "%(n)s row of the last import could not be used (%(kind)s)",
                "%(n)s rows of the last import could not be used (%(kind)s)",
                bad,
            )
            text %= {**figures, "n": grouped(bad)}
            yield Need(tone=Tone.INFO, text=text, url=url)


def _needs_of_settings() -> Iterator[Need]:
    if not PriceRule.objects.active().exists():
        text = _("No price rule is in force: no product gets a price")
        url = reverse("admin:catalog_pricerule_changelist")
        yield Need(tone=Tone.BAD, text=text, url=url)
    by_hand = Product.objects.filter(is_published=Product.Publish.YES)
    if not Category.objects.sold().exists() and not by_hand.exists():
        text = _("No category is sold: choose what to sell")
        url = reverse("admin:catalog_category_changelist")
        yield Need(tone=Tone.WARN, text=text, url=url)


def _needs_of_quarantine(quarantine: dict[str, int]) -> Iterator[Need]:
    url = reverse("admin:catalog_product_changelist")
    # The other reasons wait for the supplier's next price, not for a person.
    reasons = Product.Quarantine
    for reason in (reasons.JUMP, reasons.BELOW_FLOOR, reasons.NO_RULE):
        if number := quarantine.get(reason, 0):
            text = _("Quarantine, “%(reason)s”: %(number)s")
            text %= {"reason": reason.label, "number": grouped(number)}
            page = f"{url}?quarantine={reason.value}"
            yield Need(tone=Tone.WARN, text=text, url=page)


def _supplier_card(last: LastRuns, *, is_stale: bool, now: datetime) -> StatusCard:
    if is_stale:
        tone, state = Tone.BAD, _("out of date")
    elif last.failed is not None:
        tone, state = Tone.WARN, _("failing")
    else:
        tone, state = Tone.GOOD, _("fresh")
    stock = last.good.get(ImportRun.Kind.STOCK)
    catalogue = last.good.get(ImportRun.Kind.CATALOGUE)
    details = [
        (_("Stock read"), _run_link(stock, now=now)),
        (_("Catalogue read"), _run_link(catalogue, now=now)),
    ]
    if failed := last.failed:
        link = _run_link(failed, now=now)
        details.append((_("Last failure"), two_lines(link, redact(failed.message))))
    dated = stock or catalogue
    if dated and dated.supplier_date:
        details.append((_("Supplier's date"), format_html("{}", dated.supplier_date)))
    url = reverse("admin:catalog_importrun_changelist")
    return StatusCard(
        title="Al-Style", tone=tone, state=state, details=details, url=url
    )


def _run_link(run: ImportRun | None, *, now: datetime) -> SafeString:
    if run is None:
        return format_html("{}", _("never"))
    url = reverse("admin:catalog_importrun_change", args=[run.pk])
    return format_html(
        '<a href="{}">{}</a>', url, when(run.finished_at or run.started_at, now=now)
    )


def _row(run: ImportRun, *, now: datetime) -> Recent:
    took = duration(run.started_at, run.finished_at)
    return Recent(
        when=when(run.started_at, now=now),
        pill=status_pill(run),
        text=f"{run.get_kind_display()}, {took}: {redact(run.message) or '…'}",
        url=reverse("admin:catalog_importrun_change", args=[run.pk]),
    )
