"""What Kaspi takes of a sale."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import decimals
from catalog.models.base import kept_history
from catalog.models.category import Category


class CommissionRateQuerySet(models.QuerySet["CommissionRate"]):
    def unchecked(self) -> CommissionRateQuerySet:
        return self.filter(checked_at__isnull=True)


class CommissionRate(models.Model):
    """What Kaspi takes of a sale of some goods, from a day on."""

    HIGHEST_PERCENT = 40

    category = models.ForeignKey(
        Category,
        verbose_name=_("our category with its branches"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="commission_rates",
    )
    kaspi_category = models.CharField(
        _("or Kaspi's category"),
        max_length=200,
        blank=True,
        help_text=_("Its title as Kaspi's orders name it; capitals do not matter."),
    )
    percent = models.DecimalField(
        _("Kaspi takes, %"),
        max_digits=5,
        decimal_places=2,
        validators=[MinValueValidator(0), MaxValueValidator(HIGHEST_PERCENT)],
        help_text=_("Of the price the buyer pays, VAT on the commission included."),
    )
    holds_from = models.DateField(
        _("holds from"),
        help_text=_(
            "For orders made on this day of Almaty and later, until a row of the same "
            "goods with a later day."
        ),
    )
    note = models.CharField(_("note"), max_length=200, blank=True)
    # None = nobody has compared it with the shop's contract yet.
    checked_at = models.DateTimeField(_("checked"), null=True, blank=True)
    checked_by = models.CharField(_("checked by"), max_length=150, blank=True)

    objects = CommissionRateQuerySet.as_manager()
    history = kept_history("checked_at", "checked_by")

    class Meta:
        verbose_name = _("Kaspi's commission")
        verbose_name_plural = _("Kaspi's commissions")
        ordering = ["category__left", "kaspi_category", "-holds_from", "pk"]
        permissions = [
            ("check_commissionrate", _("Can confirm what Kaspi's commission is"))
        ]
        constraints = [
            models.CheckConstraint(
                name="commissionrate_of_one_kind_of_category",
                condition=Q(category__isnull=True) | Q(kaspi_category=""),
                violation_error_message=_(
                    "Name one of our categories or one of Kaspi's, not both."
                ),
            ),
            models.CheckConstraint(
                name="commissionrate_percent_plausible",
                condition=Q(percent__gte=0, percent__lte=40),
                violation_error_message=_(
                    "Kaspi's commission lies between 0 and 40 %%."
                ),
            ),
            models.UniqueConstraint(
                fields=["kaspi_category", "holds_from"],
                condition=Q(category__isnull=True),
                name="commissionrate_once_a_day_at_kaspi",
                violation_error_message=_("There is a row of these goods and day."),
            ),
            models.UniqueConstraint(
                fields=["category", "holds_from"],
                condition=Q(category__isnull=False),
                name="commissionrate_once_a_day_of_ours",
                violation_error_message=_("There is a row of these goods and day."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.goods}: {decimals(self.percent)} %"

    @property
    def goods(self) -> str:
        """Name the goods it is for."""
        if self.category is not None:
            return str(self.category)
        return self.kaspi_category or gettext("all other goods")

    @property
    def is_checked(self) -> bool:
        return self.checked_at is not None

    @property
    def is_for_all_others(self) -> bool:
        return self.category_id is None and not self.kaspi_category
