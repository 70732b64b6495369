"""What of the goods and their imports needs a person, for the overview and alerts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, Q, Subquery
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from backoffice.asking import Answers, Questions, Rows, ask, objects
from backoffice.dashboard import Need, NeedKind, Role
from backoffice.formatting import Tone, ago, grouped
from catalog.availability import figures_are_stale
from catalog.models import Category, CommissionRate, ImportRun, PriceRule, Product
from plumbing.models import Failure
from plumbing.redaction import redact

# Of the imports what is told; their lists of bad rows may be long.
RUN_FIELDS = (
    *("id", "kind", "status", "failure", "started_at", "finished_at"),
    *("counts", "message", "supplier_date", "kept_figures"),
)
# One failed import is put right by the next; so long without a good one is not.
PATIENCE = {
    ImportRun.Kind.STOCK: timedelta(minutes=30),
    ImportRun.Kind.CATALOGUE: timedelta(hours=26),
}

# The other reasons wait for the supplier's next price, not for a person.
FOR_A_PERSON = (
    Product.Quarantine.JUMP,
    Product.Quarantine.BELOW_FLOOR,
    Product.Quarantine.NO_RULE,
)

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

    @property
    def stock_read_at(self) -> datetime | None:
        """`availability.stock_read_at()`, without asking again."""
        read = (run for run in self.good.values() if not run.kept_figures)
        return max((run.started_at for run in read), default=None)


def ask_catalog() -> Questions:
    """Name what the overview must know of the catalogue."""
    last = Q()
    for kind in ImportRun.Kind.values:
        runs = ImportRun.objects.filter(kind=kind)
        ended = runs.real().ended().order_by("-started_at").values("pk")[:1]
        good = runs.good().order_by("-finished_at").values("pk")[:1]
        last |= Q(pk=Subquery(ended)) | Q(pk=Subquery(good))
    # Looked for only where no category is sold: else it may take reading all goods.
    by_hand = Product.objects.filter(is_published=Product.Publish.YES).exclude(
        Exists(Category.objects.sold())
    )
    reasons = Product.objects.quarantined().order_by().values("quarantine")
    return {
        "runs": Rows(ImportRun.objects.filter(last).values(*RUN_FIELDS)),
        "has_rule": Exists(PriceRule.objects.active()),
        "has_rate": Exists(CommissionRate.objects.all()),
        "has_unchecked_rate": Exists(CommissionRate.objects.unchecked()),
        "sells_category": Exists(Category.objects.sold()),
        "sells_only_by_hand": Exists(by_hand),
        "quarantine": Rows(
            reasons.annotate(number=Count("pk")).order_by("-number", "quarantine")
        ),
    }


def read_needs(*, now: datetime) -> list[Need]:
    """Read what alerts tell of the catalogue."""
    needs = needs_of_imports(read_last_runs(), now=now)
    return [need for need in needs if need.kind is not None]


def read_last_runs(answers: Answers | None = None) -> LastRuns:
    """Read the latest imports of each kind."""
    if answers is None:
        answers = ask({"runs": ask_catalog()["runs"]})
    ended: dict[str, ImportRun] = {}
    good: dict[str, ImportRun] = {}
    runs = objects(ImportRun, answers["runs"])
    for run in sorted(runs, key=lambda run: (run.started_at, run.pk)):
        ended[run.kind] = run
        if run.is_done:
            good[run.kind] = run
    return LastRuns(ended=ended, good=good)


def count_quarantine(answers: Answers | None = None) -> dict[str, int]:
    """Count the goods in quarantine by reason, the most frequent first."""
    if answers is None:
        answers = ask({"quarantine": ask_catalog()["quarantine"]})
    return {row["quarantine"]: row["number"] for row in answers["quarantine"]}


def needs_of_imports(last: LastRuns, *, now: datetime) -> Iterator[Need]:
    read_at = last.stock_read_at
    url = reverse("admin:catalog_importrun_changelist")
    if read_at is None:
        # Nothing can be on sale yet: there is nothing to lose, only to begin.
        text = _("Al-Style's goods were not read yet: the catalogue comes first")
        yield Need(tone=Tone.WARN, text=text, url=url)
    elif figures_are_stale(read_at, now=now):
        text = _("Stock was last read %(since)s: the goods come off sale")
        yield Need(
            tone=Tone.BAD,
            text=text % {"since": ago(read_at, now=now)},
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
            kind = _kind_of_failure(run, last.good.get(run.kind), now=now)
            yield Need(
                # What the next import may put right is to be known, not to be done.
                tone=Tone.INFO if kind is None else Tone.WARN,
                text=text,
                url=url,
                kind=kind,
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


def needs_of_settings(answers: Answers) -> Iterator[Need]:
    if not answers["has_rule"]:
        text = _("No price rule is in force: no product gets a price")
        url = reverse("admin:catalog_pricerule_changelist")
        yield Need(tone=Tone.BAD, text=text, url=url)
    rates_url = reverse("admin:catalog_commissionrate_changelist")
    if not answers["has_rate"]:
        text = _("The profit is overstated: the table of Kaspi's commission is empty.")
        yield Need(tone=Tone.WARN, text=text, url=rates_url)
    elif answers["has_unchecked_rate"]:
        text = _(
            "The profit may be overstated: compare Kaspi's commission with your "
            "contract and confirm it"
        )
        yield Need(tone=Tone.INFO, text=text, url=rates_url)
    if not answers["sells_category"] and not answers["sells_only_by_hand"]:
        text = _("No category is sold: choose what to sell")
        url = reverse("admin:catalog_category_changelist")
        yield Need(tone=Tone.WARN, text=text, url=url)


def needs_of_quarantine(quarantine: dict[str, int]) -> Iterator[Need]:
    url = reverse("admin:catalog_product_changelist")
    for reason in FOR_A_PERSON:
        if number := quarantine.get(reason, 0):
            text = _("Quarantine, “%(reason)s”: %(number)s")
            text %= {"reason": reason.label, "number": grouped(number)}
            page = f"{url}?quarantine={reason.value}"
            yield Need(tone=Tone.WARN, text=text, url=page)
