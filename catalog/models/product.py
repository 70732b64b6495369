"""Al-Style's goods as stored here, with what staff decide about them."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Length, StrIndex
from django.db.models.lookups import Exact, GreaterThan, LessThanOrEqual
from django.utils.translation import gettext_lazy as _

from catalog.models.base import (
    SKU,
    SKU_LENGTH,
    SKU_SIGNS,
    Bare,
    beyond_any_price,
    kept_history,
)
from catalog.models.category import Category


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
