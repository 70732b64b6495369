"""What each import read, and what it changed."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from catalog.models.product import Product
from plumbing.models import Failure


class ImportRunQuerySet(models.QuerySet["ImportRun"]):
    def real(self) -> ImportRunQuerySet:
        return self.filter(is_dry_run=False)

    def under_way(self) -> ImportRunQuerySet:
        return self.filter(status=ImportRun.Status.RUNNING)

    def ended(self) -> ImportRunQuerySet:
        return self.exclude(status=ImportRun.Status.RUNNING)

    def good(self) -> ImportRunQuerySet:
        """Keep those that brought the whole of what they asked for, and stored it."""
        return self.real().filter(status=ImportRun.Status.DONE)

    def of_figures(self) -> ImportRunQuerySet:
        """Keep the good ones that stored the stock and prices they read."""
        return self.good().filter(kept_figures=False)


class ImportRun(models.Model):
    """One import from the supplier: what came, what changed, what was wrong."""

    class Kind(models.TextChoices):
        CATALOGUE = "catalogue", _("catalogue")
        STOCK = "stock", _("stock and prices")

    class Status(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    status = models.CharField(
        _("status"), max_length=8, choices=Status.choices, default=Status.RUNNING
    )
    is_dry_run = models.BooleanField(_("dry run"), default=False)
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    # {"read": 412, "new": 3, "changed": 9, "gone": 0, "bad": 1, ...}
    counts = models.JSONField(_("counts"), default=dict, blank=True)
    # [["70311", "price1: not a number: 'x'"], ...], the first few hundred.
    bad_rows = models.JSONField(_("bad rows"), default=list, blank=True)
    # Articles that the stock list names and the catalogue does not give.
    unlisted = models.JSONField(_("not in the catalogue"), default=list, blank=True)
    message = models.TextField(_("result"), blank=True)
    failure = models.CharField(
        _("sort of failure"), max_length=10, choices=Failure.choices, blank=True
    )
    # Kept to show how old the supplier's data are; never a reason to skip an import.
    supplier_date = models.CharField(_("supplier's date"), max_length=100, blank=True)
    # A crawl during which stock was read: it stored everything else.
    kept_figures = models.BooleanField(
        _("kept newer stock and prices"), default=False, db_default=False
    )

    objects = ImportRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ["-started_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="importrun_status_known",
                condition=Q(status__in=["running", "done", "failed"]),
            ),
        ]
        indexes = [
            # The last good import of a kind: how old the stock figures are.
            models.Index(
                fields=["kind", "status", "-finished_at"], name="importrun_last"
            ),
            # Dashboard: the last ones of all; admin list.
            models.Index(fields=["-started_at"], name="importrun_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} №{self.pk}"

    @property
    def is_done(self) -> bool:
        return self.status == self.Status.DONE

    @property
    def has_failed(self) -> bool:
        return self.status == self.Status.FAILED

    @property
    def changed_goods(self) -> int:
        """How many goods came, went or changed; 0 when nothing was stored."""
        if not self.is_done:
            return 0
        return sum(self.counts.get(name, 0) for name in ("changed", "new", "gone"))


class ProductChange(models.Model):
    """A change of a product's stock or price, kept for a set time."""

    class Field(models.TextChoices):
        STOCK = "stock", _("stock")
        COST = "cost", _("dealer price")
        RETAIL = "retail", _("retail price")
        PRICE = "price", _("our price")
        PRESENCE = "presence", _("in the catalogue")

    product = models.ForeignKey(
        Product,
        verbose_name=_("product"),
        on_delete=models.CASCADE,
        related_name="changes",
    )
    run = models.ForeignKey(
        ImportRun,
        verbose_name=_("import"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="changes",
    )
    field = models.CharField(_("what"), max_length=8, choices=Field.choices)
    old = models.BigIntegerField(_("was"), null=True, blank=True)
    new = models.BigIntegerField(_("is"), null=True, blank=True)
    changed_at = models.DateTimeField(_("when"))
    reason = models.TextField(_("reason"), blank=True)

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        ordering = ["-changed_at", "-pk"]
        indexes = [
            # A product's story, newest first.
            models.Index(fields=["product", "-changed_at"], name="productchange_story"),
            # Deleting what is older than the set time.
            models.Index(fields=["changed_at"], name="productchange_age"),
        ]

    def __str__(self) -> str:
        return f"{self.get_field_display()}: {self.old} → {self.new}"
