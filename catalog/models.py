"""Al-Style's categories and goods as stored here, with what staff decide about them."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Case, F, Func, Q, Value, When
from django.db.models.functions import Length, StrIndex
from django.db.models.lookups import Exact, GreaterThan, LessThanOrEqual
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from backoffice.formatting import decimals, grouped
from plumbing.models import Failure

# What Kaspi takes for an SKU; `Product.is_sku_usable` says the same in the database.
SKU_SIGNS = f"{string.digits}{string.ascii_letters}_-"
SKU_LENGTH = 20
SKU = re.compile(rf"[{SKU_SIGNS}]{{1,{SKU_LENGTH}}}", re.ASCII)
# Ten times what the dearest good may cost (`pricing`): more comes of a typing error,
# and with a city's supplement on top it would not fit the databases.
HIGHEST_PRICE_KZT = 90_000_000


def beyond_any_price(row: models.Model, *names: str) -> dict[str, str]:
    """Say of which amounts in tenge of an unsaved row that no price can be so high."""
    text = gettext("More than any price may be: %(limit)s ₸.")
    text %= {"limit": grouped(HIGHEST_PRICE_KZT)}
    amounts = {name: getattr(row, name) or 0 for name in names}
    return {name: text for name, kzt in amounts.items() if kzt > HIGHEST_PRICE_KZT}


class Bare(Func):
    """A text without the given signs at its ends; "" when it has no others at all."""

    function = "TRIM"
    arity = 2

    def as_postgresql(self, compiler: Any, connection: Any, **kwargs: Any) -> Any:
        return self.as_sql(compiler, connection, function="BTRIM", **kwargs)


def kept_history(*excluded: str) -> HistoricalRecords:
    """Keep what staff decided: who, when and why; imports write rows in bulk past it.

    `excluded` are the peers' fields and what is worked out from others.
    """
    return HistoricalRecords(
        excluded_fields=list(excluded),
        history_change_reason_field=models.CharField(
            max_length=300, null=True, blank=True
        ),
    )


class CategoryQuerySet(models.QuerySet["Category"]):
    def present(self) -> CategoryQuerySet:
        return self.filter(gone_at=None)

    def sold(self) -> CategoryQuerySet:
        return self.filter(is_published=True)

    def parents(self) -> dict[int, int | None]:
        """Map each category's pk to its parent's."""
        return dict(self.order_by().values_list("pk", "parent_id"))


class Category(models.Model):
    """A branch of Al-Style's tree; staff choose which branches are sold."""

    supplier_id = models.CharField(_("Al-Style id"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=255)
    path = models.CharField(_("path"), max_length=1000, blank=True)
    parent = models.ForeignKey(
        "self",
        verbose_name=_("parent"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="children",
    )
    left = models.IntegerField(_("left"), default=0)
    right = models.IntegerField(_("right"), default=0)
    level = models.PositiveSmallIntegerField(_("level"), default=0)
    is_published = models.BooleanField(_("sold"), default=False)
    gone_at = models.DateTimeField(_("gone since"), null=True, blank=True)

    objects = CategoryQuerySet.as_manager()
    history = kept_history(
        "supplier_id", "name", "path", "parent", "left", "right", "level", "gone_at"
    )

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ["left", "pk"]
        permissions = [("publish_category", _("Can choose which categories are sold"))]

    def __str__(self) -> str:
        return self.path or self.name

    @property
    def is_gone(self) -> bool:
        return self.gone_at is not None


class ProductQuerySet(models.QuerySet["Product"]):
    def present(self) -> ProductQuerySet:
        """Keep what the supplier's catalogue has."""
        return self.filter(gone_at=None)

    def quarantined(self) -> ProductQuerySet:
        # Goods that are gone wait for nobody.
        return self.present().exclude(quarantine=Product.Quarantine.NONE)

    def releasable(self) -> ProductQuerySet:
        """Keep those whose price a person may let through as it is."""
        return self.filter(quarantine__in=Product.RELEASABLE)

    def risen(self) -> ProductQuerySet:
        """Keep those that wait for imports to show the same price for long enough."""
        return self.filter(quarantine=Product.Quarantine.RISE)


class Product(models.Model):
    """One of Al-Style's goods. The first half is theirs, the second is ours."""

    class Publish(models.TextChoices):
        YES = "yes", _("yes")
        NO = "no", _("no")
        CATEGORY = "category", _("as its category")

    class Quarantine(models.TextChoices):
        """Why a product has no price it may be sold at."""

        NONE = "", _("none")
        NO_COST = "no_cost", _("no dealer price")
        NO_RULE = "no_rule", _("no price rule fits")
        PLACEHOLDER = "placeholder", _("placeholder price")
        BELOW_FLOOR = "below_floor", _("fixed price below the floor")
        # A fall waits for a person; a rise is let through when imports were steady.
        JUMP = "jump", _("price fell sharply")
        RISE = "rise", _("price rose sharply")

    RELEASABLE = (Quarantine.JUMP, Quarantine.RISE)
    # What staff decide about a product; everything else comes from the supplier or is
    # worked out. Just these have a history and stand in staff's tables.
    OWN_FIELDS = (
        "is_published",
        "sku",
        "price_override_kzt",
        "price_override_until",
        "min_price_kzt",
        "safety_stock",
        "preorder_days",
        "sells_singly",
        "shelf",
        "note",
    )
    # A change of these makes the stored price out of date.
    PRICED_FIELDS = frozenset(
        {"price_override_kzt", "price_override_until", "min_price_kzt"}
    )

    article = models.CharField(_("article"), max_length=40, unique=True)
    part_number = models.CharField(_("part number"), max_length=120, blank=True)
    name = models.CharField(_("name"), max_length=500)
    full_name = models.TextField(_("full name"), blank=True)
    brand = models.CharField(_("brand"), max_length=120, blank=True)
    category = models.ForeignKey(
        Category,
        verbose_name=_("category"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="products",
    )
    barcode = models.CharField(_("barcode"), max_length=60, blank=True)
    cost_kzt = models.PositiveIntegerField(_("dealer price, ₸"), null=True, blank=True)
    retail_kzt = models.PositiveIntegerField(
        _("retail price, ₸"), null=True, blank=True
    )
    stock = models.PositiveIntegerField(_("stock"), default=0)
    stock_is_lower_bound = models.BooleanField(_("at least"), default=False)
    multiplicity = models.PositiveIntegerField(_("sold by"), null=True, blank=True)
    rrp_enforced = models.BooleanField(_("retail price enforced"), default=False)
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))
    gone_at = models.DateTimeField(_("gone since"), null=True, blank=True)

    sku = models.CharField(_("SKU at Kaspi"), max_length=40, unique=True)
    # A column, not an expression: only so an index serves both databases.
    is_sku_usable = models.GeneratedField(
        expression=Case(
            When(
                ~Q(sku="")
                & Q(LessThanOrEqual(Length("sku"), SKU_LENGTH))
                & Q(Exact(Bare(F("sku"), Value(SKU_SIGNS)), Value(""))),
                then=Value(True),
            ),
            default=Value(False),
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    is_published = models.CharField(
        _("sell"), max_length=8, choices=Publish.choices, default=Publish.CATEGORY
    )
    price_override_kzt = models.PositiveIntegerField(
        _("fixed price, ₸"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    price_override_until = models.DateTimeField(
        _("fixed price until"), null=True, blank=True
    )
    min_price_kzt = models.PositiveIntegerField(
        _("least price, ₸"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    safety_stock = models.PositiveIntegerField(_("units kept back"), default=0)
    preorder_days = models.PositiveSmallIntegerField(
        _("pre-order, days"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(30)],
    )
    sells_singly = models.BooleanField(
        _("sell by the piece"),
        default=False,
        help_text=_(
            "The supplier sells this product in multiples only; "
            "leftover pieces stay with us."
        ),
    )
    note = models.TextField(_("note"), blank=True)
    # Of pieces that we have ourselves: leftovers of multiples, goods that came back.
    shelf = models.CharField(_("where it lies"), max_length=40, blank=True)

    price_kzt = models.PositiveIntegerField(_("price, ₸"), null=True, blank=True)
    # The price last let through; the next one is compared with it for jumps.
    accepted_price_kzt = models.PositiveIntegerField(
        _("accepted price, ₸"), null=True, blank=True
    )
    quarantine = models.CharField(
        _("quarantine"),
        max_length=12,
        choices=Quarantine.choices,
        blank=True,
        default="",
    )
    # Since when it has waited at this very price.
    quarantined_at = models.DateTimeField(
        _("in quarantine since"), null=True, blank=True
    )
    # Digest of the rules the price was worked out with; blank = work it out again.
    priced_with = models.CharField(_("priced with"), max_length=16, blank=True)

    objects = ProductQuerySet.as_manager()
    history = kept_history(
        "article",
        "part_number",
        "name",
        "full_name",
        "brand",
        "category",
        "barcode",
        "cost_kzt",
        "retail_kzt",
        "stock",
        "stock_is_lower_bound",
        "multiplicity",
        "rrp_enforced",
        "first_seen",
        "last_seen",
        "gone_at",
        "price_kzt",
        "accepted_price_kzt",
        "quarantine",
        "quarantined_at",
        "priced_with",
        "is_sku_usable",
    )

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ["pk"]
        permissions = [
            ("sync_catalogue", _("Can start imports of catalogue and stock")),
            ("publish_product", _("Can choose which products are sold")),
            ("release_product", _("Can release prices from quarantine")),
            ("change_many_products", _("Can change many products at once")),
        ]
        constraints = [
            models.CheckConstraint(
                name="product_multiplicity_positive",
                condition=Q(multiplicity__isnull=True) | Q(multiplicity__gt=0),
            ),
            models.CheckConstraint(
                name="product_preorder_1_to_30_days",
                condition=Q(preorder_days__isnull=True)
                | Q(preorder_days__gte=1, preorder_days__lte=30),
            ),
            models.CheckConstraint(
                name="product_price_positive",
                condition=Q(price_kzt__isnull=True) | Q(price_kzt__gt=0),
            ),
        ]
        indexes = [
            # repricing.reprice(): products whose price is out of date.
            models.Index(fields=["priced_with"], name="product_priced_with"),
            # Admin list and dashboard: products in quarantine by reason.
            models.Index(
                fields=["quarantine"],
                name="product_quarantine",
                condition=~Q(quarantine=""),
            ),
            # repricing.reprice(): rises that have waited long enough.
            models.Index(
                fields=["quarantined_at"],
                name="product_quarantined_at",
                condition=Q(quarantined_at__isnull=False),
            ),
            # repricing.reprice(), each build: fixed prices whose term is over.
            models.Index(
                fields=["price_override_until"],
                name="product_override_ends",
                condition=Q(price_override_until__isnull=False),
            ),
            # Admin search by the maker's number and by what a scanner reads.
            # PostgreSQL finds what begins so by this class alone; SQLite knows none.
            models.Index(
                fields=["part_number"],
                name="product_part_begins",
                opclasses=["varchar_pattern_ops"],
            ),
            models.Index(
                fields=["barcode"],
                name="product_barcode_begins",
                opclasses=["varchar_pattern_ops"],
            ),
            # Admin list: by what staff chose, goods whose branch is not sold.
            models.Index(
                fields=["is_published", "category", "gone_at"],
                name="product_published",
            ),
            # Admin list: sorted by price, brand or name; what has no price. Not by what
            # a reading changes: PostgreSQL would then write all of a row's indexes, and
            # one with an eighth of the goods changed would take half as long again.
            models.Index(fields=["price_kzt"], name="product_price"),
            models.Index(fields=["name"], name="product_name"),
            models.Index(fields=["brand"], name="product_brand"),
            # Admin list: what Kaspi would not take.
            models.Index(
                fields=["id"],
                name="product_bad_sku",
                condition=Q(is_sku_usable=False),
            ),
            # Each reading of stock, admin list: what the catalogue has no longer.
            models.Index(
                fields=["gone_at"],
                name="product_gone",
                condition=Q(gone_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.article} · {self.name}"

    def clean(self) -> None:
        found: dict[str, Any] = {
            **beyond_any_price(self, "price_override_kzt", "min_price_kzt")
        }
        self.sku = self.sku.strip()
        if not SKU.fullmatch(self.sku):
            found["sku"] = _("1 to 20 Latin letters, digits, dashes or underscores.")
        if self.price_override_until and self.price_override_kzt is None:
            found["price_override_until"] = _("A term needs a fixed price.")
        if found:
            raise ValidationError(found)

    @property
    def is_gone(self) -> bool:
        return self.gone_at is not None

    @property
    def is_releasable(self) -> bool:
        """`ProductQuerySet.releasable` for one row."""
        return self.quarantine in self.RELEASABLE


class ProductWordsQuerySet(models.QuerySet["ProductWords"]):
    def holding(self, *words: str) -> ProductWordsQuerySet:
        """Keep those whose name has all the words in it, in whatever case."""
        found = self
        for word in words:
            # Either database looks sooner for a text than for a pattern.
            place = StrIndex("text", Value(word.lower()))
            found = found.filter(GreaterThan(place, 0))
        return found


class ProductWords(models.Model):
    """A product's name as the search reads it: in small letters, apart from the rest.

    To look into the names of a million goods takes a third of the time here, and no
    price or stock that changes touches the row. `catalog.words` keeps it.
    """

    # No foreign key in the database: code from before this table deletes goods, too.
    product = models.OneToOneField(
        Product,
        verbose_name=_("product"),
        on_delete=models.CASCADE,
        primary_key=True,
        db_constraint=False,
        related_name="words",
    )
    text = models.TextField(_("name"))

    objects = ProductWordsQuerySet.as_manager()

    class Meta:
        verbose_name = _("name to search by")
        verbose_name_plural = _("names to search by")

    def __str__(self) -> str:
        return self.text


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
