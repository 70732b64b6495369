"""How prices are made of the dealer's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from catalog.models.base import beyond_any_price, kept_history
from catalog.models.category import Category
from catalog.models.product import Product


class PriceRuleQuerySet(models.QuerySet["PriceRule"]):
    def active(self) -> PriceRuleQuerySet:
        return self.filter(is_active=True)


class PriceRule(models.Model):
    """How a price is made of the dealer's; the most specific rule that fits wins."""

    class Base(models.TextChoices):
        RETAIL = "retail", _("retail price, else cost plus markup")
        COST = "cost", _("cost plus markup")

    name = models.CharField(_("name"), max_length=120)
    is_active = models.BooleanField(_("in force"), default=True)
    product = models.ForeignKey(
        Product,
        verbose_name=_("product"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="price_rules",
    )
    category = models.ForeignKey(
        Category,
        verbose_name=_("category with its branches"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="price_rules",
    )
    brand = models.CharField(_("brand"), max_length=120, blank=True)
    cost_from_kzt = models.PositiveIntegerField(
        _("cost from, ₸"), null=True, blank=True
    )
    cost_below_kzt = models.PositiveIntegerField(
        _("cost below, ₸"), null=True, blank=True
    )
    base = models.CharField(
        _("base"), max_length=6, choices=Base.choices, default=Base.RETAIL
    )
    markup_percent = models.DecimalField(
        _("markup, %"), max_digits=6, decimal_places=2, default=20
    )
    markup_kzt = models.PositiveIntegerField(_("markup, ₸"), default=0)
    # None = as the table of Kaspi's commission says: `RuleBook.find` fills it in.
    commission_percent = models.DecimalField(
        _("own commission, %"), max_digits=5, decimal_places=2, null=True, blank=True
    )
    tax_percent = models.DecimalField(
        _("tax, %"), max_digits=5, decimal_places=2, default=0
    )
    delivery_kzt = models.PositiveIntegerField(_("delivery at our cost, ₸"), default=0)
    least_margin_percent = models.DecimalField(
        # xgettext:no-python-format
        _("least margin, % of cost"),
        max_digits=6,
        decimal_places=2,
        default=5,
    )
    round_to_kzt = models.PositiveIntegerField(
        _("round up to, ₸"), default=10, validators=[MinValueValidator(1)]
    )
    ending_kzt = models.PositiveIntegerField(_("ending, ₸"), default=0)

    objects = PriceRuleQuerySet.as_manager()
    history = kept_history()

    class Meta:
        verbose_name = _("price rule")
        verbose_name_plural = _("price rules")
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                name="pricerule_ending_below_step",
                condition=Q(round_to_kzt__gte=1)
                & Q(ending_kzt__lt=models.F("round_to_kzt")),
                violation_error_message=_("The ending must be less than the step."),
            ),
            models.CheckConstraint(
                name="pricerule_shares_leave_something",
                condition=Q(tax_percent__gte=0)
                & (
                    Q(commission_percent__isnull=True, tax_percent__lt=55)
                    | Q(commission_percent__gte=0)
                    & Q(
                        commission_percent__lt=models.Value(95)
                        - models.F("tax_percent")
                    )
                ),
                # Django formats the message once more.
                violation_error_message=_(
                    "Commission and tax together must stay below 95 %%."
                ),
            ),
            models.CheckConstraint(
                name="pricerule_no_loss",
                condition=Q(markup_percent__gte=0, least_margin_percent__gte=0),
                violation_error_message=_("Markup and margin cannot be negative."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        found: dict[str, Any] = {
            **beyond_any_price(self, "markup_kzt", "delivery_kzt", "round_to_kzt")
        }
        low, high = self.cost_from_kzt, self.cost_below_kzt
        if low is not None and high is not None and low >= high:
            found["cost_below_kzt"] = _("“Cost below” must be more than “cost from”.")
        if self.product_id and (self.category_id or self.brand):
            found["product"] = _(
                "A rule for one product needs no category and no brand."
            )
        if found:
            raise ValidationError(found)

    @property
    def fees_percent(self) -> Decimal:
        return (self.commission_percent or Decimal(0)) + self.tax_percent

    @property
    def kept_share(self) -> Decimal:
        """The share of a price that commission and tax leave."""
        return 1 - self.fees_percent / Decimal(100)

    def earns_kzt(self, price_kzt: int, *, cost_kzt: int) -> int:
        """Say what is left of a price after commission, tax, delivery and the cost."""
        kept = price_kzt * self.kept_share - self.delivery_kzt - cost_kzt
        return int(kept.to_integral_value(rounding=ROUND_FLOOR))

    @property
    def specificity(self) -> tuple[bool, bool, int]:
        """Sorts rules of one product or one branch: the more specific first."""
        has_band = self.cost_from_kzt is not None or self.cost_below_kzt is not None
        return (not self.brand, not has_band, self.pk)

    def fits(self, *, brand: str, cost_kzt: int | None) -> bool:
        """Tell whether brand and cost band fit; product and branch aside.

        `matched_by` says the same to the database.
        """
        cost = cost_kzt or 0
        return (
            (not self.brand_key or self.brand_key == brand.casefold())
            and (self.cost_from_kzt is None or cost >= self.cost_from_kzt)
            and (self.cost_below_kzt is None or cost < self.cost_below_kzt)
        )

    @cached_property
    def brand_key(self) -> str:
        # A rule is asked about every product, its brand folded once.
        return self.brand.strip().casefold()

    def matched_by(self, spellings: Mapping[str, Collection[str]]) -> Q:
        """Find the products whose brand and cost `fits` this rule.

        `spellings`: how goods write each brand, by its `brand_key`. SQLite alone folds
        Latin capitals only.
        """
        found = Q()
        if self.brand_key:
            found &= Q(brand__in=spellings.get(self.brand_key, ()))
        if self.cost_from_kzt is not None:
            found &= Q(cost_kzt__gte=self.cost_from_kzt)
        if self.cost_below_kzt is not None:
            found &= Q(cost_kzt__lt=self.cost_below_kzt)
        return found
