"""Points of sale, what stands in the price list, its versions and its readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from catalog.models import beyond_any_price, kept_history
from feeds.cities import city_name
from feeds.store_codes import check_store_id, same_point

# What Kaspi wants alike in all points of a city.
CITY_TERMS = ("preorder_days", "supplement_percent", "supplement_kzt")


def torn_among(terms: Iterable[Sequence[Any]]) -> list[str]:
    """Name the cities of which there is more than one kind of (city, *`CITY_TERMS`)."""
    cities = Counter(city for city, *_terms in set(map(tuple, terms)))
    return sorted(city for city, number in cities.items() if number > 1)


class StoreQuerySet(models.QuerySet["Store"]):
    def active(self) -> StoreQuerySet:
        return self.filter(is_active=True)

    def torn_cities(self) -> list[str]:
        """Name the cities whose active points differ in what a city has one of."""
        terms = self.active().order_by().values_list("city_code", *CITY_TERMS)
        return torn_among(terms)


class Store(models.Model):
    """A pick-up point of the merchant's cabinet that offers the goods."""

    # Copied from the cabinet ("PP1" or "Merchant_PP1"), never built.
    store_id = models.CharField(_("point id at Kaspi"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=120, blank=True)
    city_code = models.CharField(_("city code"), max_length=20, default="750000000")
    preorder_days = models.PositiveSmallIntegerField(
        _("pre-order, days"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(30)],
    )
    # The supplier's stock is one heap: points share it, they do not each offer it all.
    stock_share = models.PositiveSmallIntegerField(_("share of the stock"), default=1)
    # A price is worked out for the nearest city; what farther ones cost more is added.
    supplement_percent = models.DecimalField(
        # xgettext:no-python-format
        _("supplement to the price, %"),
        max_digits=5,
        decimal_places=2,
        default=0,
    )
    supplement_kzt = models.PositiveIntegerField(
        _("supplement to the price, ₸"), default=0
    )
    is_active = models.BooleanField(_("active"), default=True)

    objects = StoreQuerySet.as_manager()
    history = kept_history()

    class Meta:
        verbose_name = _("point of sale")
        verbose_name_plural = _("points of sale")
        ordering = ["store_id"]
        constraints = [
            models.CheckConstraint(
                name="store_preorder_1_to_30_days",
                condition=Q(preorder_days__isnull=True)
                | Q(preorder_days__gte=1, preorder_days__lte=30),
            ),
            models.CheckConstraint(
                # Below the price worked out it could be sold at a loss.
                name="store_supplement_not_negative",
                condition=Q(supplement_percent__gte=0, supplement_kzt__gte=0),
                violation_error_message=_("A supplement cannot be negative."),
            ),
        ]

    def __str__(self) -> str:
        return self.store_id

    def clean(self) -> None:
        """Refuse what the price list could not bear, and a code that it has already."""
        if found := beyond_any_price(self, "supplement_kzt"):
            raise ValidationError(found)
        self.store_id = self.store_id.strip()
        try:
            check_store_id(self.store_id)
        except ValidationError as error:
            raise ValidationError({"store_id": error}) from None
        merchant_id = settings.KASPI_MERCHANT_ID
        mine = same_point(self.store_id, merchant_id)
        others = Store.objects.exclude(pk=self.pk).exclude(store_id=self.store_id)
        for other in others.values_list("store_id", flat=True):
            if same_point(other, merchant_id) == mine:
                text = _("This is %(store)s written otherwise.") % {"store": other}
                raise ValidationError({"store_id": text})

    @property
    def city_name(self) -> str:
        return city_name(self.city_code)


class FeedBuildQuerySet(models.QuerySet["FeedBuild"]):
    def live(self) -> FeedBuildQuerySet:
        return self.filter(status=FeedBuild.Status.ACTIVE)

    def under_way(self) -> FeedBuildQuerySet:
        return self.filter(status__in=FeedBuild.UNDER_WAY)

    def published(self) -> FeedBuildQuerySet:
        """Keep those that are or were live."""
        return self.filter(published_at__isnull=False)

    def pinned(self, now: datetime) -> FeedBuildQuerySet:
        """Keep the live one if nothing newer may take its place by itself."""
        return self.live().filter(pinned_until__gt=now)


class FeedBuild(models.Model):
    """One attempt to make the price list; at most one of them is live."""

    class Status(models.TextChoices):
        BUILDING = "building", _("being built")
        PUBLISHING = "publishing", _("being published")
        ACTIVE = "active", _("live")
        UNCHANGED = "unchanged", _("nothing changed")
        REFUSED = "refused", _("refused")
        ARCHIVED = "archived", _("archived")
        FAILED = "failed", _("failed")

    UNDER_WAY = (Status.BUILDING, Status.PUBLISHING)

    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.BUILDING
    )
    started_at = models.DateTimeField(_("started"))
    published_at = models.DateTimeField(_("published"), null=True, blank=True)
    seconds = models.DecimalField(
        _("seconds"), max_digits=8, decimal_places=2, null=True, blank=True
    )
    # {"offers": 412, "on_sale": 390, "withdrawn": 22, "left_out": {"no_price": 3}, ...}
    counts = models.JSONField(_("counts"), default=dict, blank=True)
    # {"added": [...], "withdrawn": [...], "price": [...], "stock": [...]}, first ones.
    diff = models.JSONField(_("changes"), default=dict, blank=True)
    sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True)
    # Digest of everything but the date: the same offers give the same one.
    content_sha256 = models.CharField(_("content digest"), max_length=64, blank=True)
    # Digests of all that the list depends on, where a build has read that and written
    # the list whole: `unchanged` compares them.
    inputs = models.JSONField(_("made of"), null=True, blank=True)
    size_bytes = models.PositiveBigIntegerField(_("bytes"), null=True, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    # The live file's time, the same on every host; null from before it was kept.
    modified_s = models.BigIntegerField(null=True, blank=True)
    # After a roll-back, automatic builds wait until this moment.
    pinned_until = models.DateTimeField(_("pinned until"), null=True, blank=True)

    objects = FeedBuildQuerySet.as_manager()

    class Meta:
        verbose_name = _("price list version")
        verbose_name_plural = _("price list versions")
        ordering = ["-started_at", "-pk"]
        permissions = [
            ("build_feed", _("Can build the price list")),
            ("override_feed", _("Can publish a refused price list")),
            ("rollback_feed", _("Can put an earlier price list back")),
        ]
        constraints = [
            models.CheckConstraint(
                name="feedbuild_status_known",
                condition=Q(
                    status__in=[
                        "building",
                        "publishing",
                        "active",
                        "unchanged",
                        "refused",
                        "archived",
                        "failed",
                    ]
                ),
            ),
            models.UniqueConstraint(
                fields=["status"],
                name="feedbuild_one_active",
                condition=Q(status="active"),
            ),
        ]

    def __str__(self) -> str:
        return f"№{self.pk}"

    @property
    def is_under_way(self) -> bool:
        return self.status in self.UNDER_WAY

    @property
    def came_to_nothing(self) -> bool:
        """Whether no list came of it: it was refused, or never finished."""
        return self.status in (self.Status.REFUSED, self.Status.FAILED)

    @property
    def withholds(self) -> bool:
        """Whether it keeps on sale what should go off, too much at once."""
        return bool(self.counts.get("withheld") or self.counts.get("unconfirmed"))

    @property
    def may_be_overridden(self) -> bool:
        """Whether its refusal of all or some is the last word: nothing came since."""
        if self.status != self.Status.REFUSED and not self.withholds:
            return False
        newer = FeedBuild.objects.published().filter(started_at__gt=self.started_at)
        return not newer.exists()

    def is_pinned(self, now: datetime) -> bool:
        """Tell whether automatic builds keep off this version."""
        return self.pinned_until is not None and self.pinned_until > now


class ListPiece(models.Model):
    """A piece of a list's compressed bytes, for hosts that did not build it."""

    # No foreign key: to delete builds would take longer, where there are no pieces too.
    build_pk = models.PositiveBigIntegerField()
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["build_pk", "number"], name="listpiece_once"
            ),
        ]

    def __str__(self) -> str:
        return f"№{self.build_pk}/{self.number}"


class ListingQuerySet(models.QuerySet["Listing"]):
    def on_sale(self) -> ListingQuerySet:
        return self.filter(is_available=True)

    def withheld(self) -> ListingQuerySet:
        return self.filter(withheld_since__isnull=False)


class Listing(models.Model):
    """An SKU that stands in the price list, as last published."""

    # Unique below: `unique=True` would make PostgreSQL keep an index more, for what an
    # SKU begins with, which nobody asks.
    sku = models.CharField(_("SKU"), max_length=40)
    product = models.ForeignKey(
        "catalog.Product",
        verbose_name=_("product"),
        on_delete=models.CASCADE,
        related_name="listings",
        # Named first in an index below.
        db_index=False,
    )
    is_available = models.BooleanField(_("on sale"), default=True)
    stock_count = models.PositiveIntegerField(_("stock shown"), default=0)
    price_kzt = models.PositiveIntegerField(_("price, ₸"))
    first_listed_at = models.DateTimeField(_("first listed"))
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, blank=True)
    # It should be off sale and stays, one of too many at once (`withholding`).
    withheld_since = models.DateTimeField(_("withheld since"), null=True, blank=True)

    objects = ListingQuerySet.as_manager()

    class Meta:
        verbose_name = _("listed offer")
        verbose_name_plural = _("listed offers")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["sku"], name="listing_once"),
        ]
        indexes = [
            # Admin and dashboard: what is on sale now. One for all: a first list writes
            # each of them as often as there are offers.
            models.Index(
                fields=["product", "sku", "is_available"], name="listing_of_product"
            ),
            # Each build: what is withheld, and whether for long enough.
            models.Index(
                fields=["withheld_since"],
                name="listing_withheld",
                condition=Q(withheld_since__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.sku


# How our own test fetch names itself, with Kaspi's login: it must not pass for Kaspi.
TEST_AGENT = "bridge-test-fetch"


# What web servers note of a reader who went away before the whole answer was sent.
BROKEN_OFF = 499


class FeedFetchQuerySet(models.QuerySet["FeedFetch"]):
    def by_kaspi(self) -> FeedFetchQuerySet:
        return self.filter(is_kaspi=True)

    def tests(self) -> FeedFetchQuerySet:
        """Keep our own, made by an examination."""
        return self.filter(user_agent=TEST_AGENT)

    def successful(self) -> FeedFetchQuerySet:
        """Keep those that got the whole list, or were told that it is as before."""
        return self.filter(status_code__lt=400)


class FeedFetch(models.Model):
    """Somebody fetched the price list; a visitor's fetches of an hour are one row."""

    fetched_at = models.DateTimeField(_("when"))
    times = models.PositiveIntegerField(_("times"), default=1)
    is_kaspi = models.BooleanField(_("Kaspi"), default=False)
    status_code = models.PositiveSmallIntegerField(_("answer"))
    bytes_sent = models.PositiveBigIntegerField(_("bytes"), default=0)
    address = models.CharField(_("address"), max_length=64, blank=True)
    user_agent = models.CharField(_("program"), max_length=200, blank=True)
    build = models.ForeignKey(
        FeedBuild,
        verbose_name=_("version"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="fetches",
    )

    objects = FeedFetchQuerySet.as_manager()

    class Meta:
        verbose_name = _("fetch")
        verbose_name_plural = _("fetches")
        ordering = ["-fetched_at", "-pk"]
        indexes = [
            # When Kaspi fetched last.
            models.Index(fields=["is_kaspi", "-fetched_at"], name="feedfetch_last"),
        ]

    def __str__(self) -> str:
        return f"{self.fetched_at:%Y-%m-%d %H:%M}"


class Proposal(models.Model):
    """What somebody is about to save: shown with its effect first, saved as shown."""

    class Table(models.TextChoices):
        PRODUCTS = "product", _("products")
        CATEGORIES = "category", _("categories")
        RULES = "pricerule", _("price rules")
        COMMISSIONS = "commissionrate", _("Kaspi's commissions")
        STORES = "store", _("points of sale")

    table = models.CharField(_("what"), max_length=14, choices=Table.choices)
    title = models.CharField(_("title"), max_length=200)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("author"),
        on_delete=models.CASCADE,
        related_name="+",
    )
    made_at = models.DateTimeField(_("made"))
    # {"12": {"markup_percent": ["20.00", "12.00"]}}: was and will be, by primary key;
    # "new-1" names a row to add, null instead of the fields one to delete.
    changes = models.JSONField(_("changes"), default=dict)
    # [[3, "70311", "not a number"], ...]: rows of a table that cannot be saved.
    errors = models.JSONField(_("errors"), default=list, blank=True)
    # The page of the form that it came from.
    back_url = models.CharField(_("back to"), max_length=1000, blank=True)
    saved_at = models.DateTimeField(_("saved"), null=True, blank=True)

    class Meta:
        verbose_name = _("proposed change")
        verbose_name_plural = _("proposed changes")
        ordering = ["-pk"]
        indexes = [
            # Deleting what nobody comes back to.
            models.Index(fields=["made_at"], name="proposal_age"),
        ]

    def __str__(self) -> str:
        return self.title
