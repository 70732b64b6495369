"""What of the goods and their imports needs a person, for the overview and alerts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from backoffice.dashboard import Need, NeedKind, Role
from backoffice.formatting import Tone, ago, grouped
from catalog.availability import stock_is_stale, stock_read_at
from catalog.models import Category, ImportRun, PriceRule, Product
from plumbing.models import Failure
from plumbing.redaction import redact

# One failed import is put right by the next; so long without a good one is not.
PATIENCE = {
    ImportRun.Kind.STOCK: timedelta(minutes=30),
    ImportRun.Kind.CATALOGUE: timedelta(hours=26),
}

STALE = NeedKind(code="stock-old", label=gettext_lazy("Stock figures are too old"))
ACCESS = NeedKind(
    code="supplier-access",
    label=gettext_lazy("Al-Style refuses access"),
    roles=(Role.OWNER,),
)
DOWN = NeedKind(code="supplier-down", label=gettext_lazy("Al-Style is out of reach"))
INCOMPLETE = NeedKind(
    code="import-incomplete", label=gettext_lazy("Import is incomplete")
)
FAILED = NeedKind(code="import-failed", label=gettext_lazy("Imports fail"))


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


def read_needs(*, now: datetime) -> list[Need]:
    """Read what alerts tell of the catalogue."""
    needs = needs_of_imports(
        read_last_runs(), is_stale=stock_is_stale(now=now), now=now
    )
    return [need for need in needs if need.kind is not None]


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


def count_quarantine() -> dict[str, int]:
    """Count the goods in quarantine by reason, the most frequent first."""
    reasons = Product.objects.quarantined().order_by().values_list("quarantine")
    return dict(reasons.annotate(number=Count("pk")).order_by("-number"))


def needs_of_imports(
    last: LastRuns, *, is_stale: bool, now: datetime
) -> Iterator[Need]:
    if is_stale:
        read_at = stock_read_at()
        since = ago(read_at, now=now) if read_at else _("never")
        text = _("Stock was last read %(since)s: the goods come off sale")
        url = reverse("admin:catalog_importrun_changelist")
        yield Need(
            tone=Tone.BAD,
            text=text % {"since": since},
            url=url,
            kind=STALE,
            is_urgent=True,
        )
    for run in last.ended.values():
        url = reverse("admin:catalog_importrun_change", args=[run.pk])
        figures = {"kind": run.get_kind_display(), "reason": redact(run.message)}
        if run.has_failed:
            text = _("The last import failed (%(kind)s): %(reason)s") % figures
            is_access = run.failure == Failure.ACCESS
            yield Need(
                tone=Tone.WARN,
                text=text,
                url=url,
                kind=_kind_of_failure(run, last.good.get(run.kind), now=now),
                subject="" if is_access else run.kind,
                is_urgent=is_access,
            )
        elif bad := run.counts.get("bad", 0):
            text = ngettext(
                "%(n)s row of the last import could not be used (%(kind)s)",
                "%(n)s rows of the last import could not be used (%(kind)s)",
                bad,
            )
            text %= {**figures, "n": grouped(bad)}
            yield Need(tone=Tone.INFO, text=text, url=url)


def _kind_of_failure(
    run: ImportRun, good: ImportRun | None, *, now: datetime
) -> NeedKind | None:
    """Say what a failed import means; None while the next one may put it right."""
    if run.failure == Failure.ACCESS:
        return ACCESS
    if run.failure == Failure.INCOMPLETE:
        return INCOMPLETE
    patience = PATIENCE[ImportRun.Kind(run.kind)]
    if good is not None and now - good.started_at < patience:
        return None
    return DOWN if run.failure == Failure.DOWN else FAILED


def needs_of_settings() -> Iterator[Need]:
    if not PriceRule.objects.active().exists():
        text = _("No price rule is in force: no product gets a price")
        url = reverse("admin:catalog_pricerule_changelist")
        yield Need(tone=Tone.BAD, text=text, url=url)
    by_hand = Product.objects.filter(is_published=Product.Publish.YES)
    if not Category.objects.sold().exists() and not by_hand.exists():
        text = _("No category is sold: choose what to sell")
        url = reverse("admin:catalog_category_changelist")
        yield Need(tone=Tone.WARN, text=text, url=url)


def needs_of_quarantine(quarantine: dict[str, int]) -> Iterator[Need]:
    url = reverse("admin:catalog_product_changelist")
    # The other reasons wait for the supplier's next price, not for a person.
    reasons = Product.Quarantine
    for reason in (reasons.JUMP, reasons.BELOW_FLOOR, reasons.NO_RULE):
        if number := quarantine.get(reason, 0):
            text = _("Quarantine, “%(reason)s”: %(number)s")
            text %= {"reason": reason.label, "number": grouped(number)}
            page = f"{url}?quarantine={reason.value}"
            yield Need(tone=Tone.WARN, text=text, url=page)
