"""What the overview shows of the goods and of their imports from Al-Style."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime

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
    StatusCard,
    draw_days,
    drawn_days,
    make_shares,
)
from backoffice.formatting import Tone, duration, grouped, two_lines, when
from catalog.admin.imports import import_buttons, status_pill
from catalog.availability import figures_are_stale
from catalog.models import ImportRun, Product
from catalog.needs import (
    LastRuns,
    ask_catalog,
    count_quarantine,
    needs_of_imports,
    needs_of_quarantine,
    needs_of_settings,
    read_last_runs,
)
from plumbing.redaction import redact


def read_catalog(*, now: datetime, answers: Answers | None = None) -> DashboardSection:
    """Read what the overview shows of the catalogue first."""
    answers = ask(ask_catalog()) if answers is None else answers
    last = read_last_runs(answers)
    quarantine = count_quarantine(answers)
    products = reverse("admin:catalog_product_changelist")
    return DashboardSection(
        needs=[
            *needs_of_imports(last, now=now),
            *needs_of_settings(answers),
            *needs_of_quarantine(quarantine),
        ],
        cards=[_supplier_card(last, now=now)],
        figures=[
            Figure(
                label=_("in quarantine"),
                value=grouped(sum(quarantine.values())),
                url=f"{products}?quarantine=any",
            )
        ],
    )


def read_catalog_details(request: HttpRequest, *, now: datetime) -> DashboardDetails:
    """Read what the overview's fold shows of the catalogue."""
    runs = recent_runs(now=now)
    products = reverse("admin:catalog_product_changelist")
    return DashboardDetails(
        buttons=import_buttons(request),
        charts=[draw_changes(runs, now=now)],
        breakdowns=[
            Breakdown(
                title=_("In quarantine, by reason"),
                anchor="quarantine",
                shares=make_shares(
                    count_quarantine(),
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


def recent_runs(*, now: datetime) -> list[ImportRun]:
    """Read the real imports of the days that are drawn, newest first."""
    since = drawn_days(now=now)[0]
    runs = ImportRun.objects.real().filter(started_at__gte=since)
    return list(runs.defer("bad_rows"))


def draw_changes(runs: Sequence[ImportRun], *, now: datetime) -> SafeString:
    """Draw how many goods the imports of each day changed."""
    totals: Counter[date] = Counter()
    for run in runs:
        totals[timezone.localtime(run.started_at).date()] += run.changed_goods
    days = drawn_days(now=now)
    values = [totals[day.date()] for day in days]
    return draw_days(values, days=days, title=_("Stock and price changes by day"))


def _supplier_card(last: LastRuns, *, now: datetime) -> StatusCard:
    if last.stock_read_at is None:
        tone, state = Tone.WARN, _("not read yet")
    elif figures_are_stale(last.stock_read_at, now=now):
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
