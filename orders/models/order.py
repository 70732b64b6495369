"""An order as Kaspi has it, its lines, its buyer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Case, Count, F, Q, Value, When
from django.db.models.functions import Coalesce, Right
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.models import Product
from orders.models.reason import Cause, Reason
from plumbing.limits import LONG_AGO
from plumbing.models import Failure
from plumbing.redaction import redact

# Kaspi's new orders are read every 5 minutes, open ones every 15, unless the owner
# reads them more rarely: then three missed readings are late.
POLL_LATE = timedelta(minutes=15)
REFRESH_LATE = timedelta(minutes=45)
# One reading without an order may be a gap in the answer.
ABSENT_READINGS = 3
# Later than any order ends.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
# Finished orders are looked at once a day.
ARCHIVE_LATE = timedelta(hours=26)


class OrderQuerySet(models.QuerySet["Order"]):
    def open(self) -> OrderQuerySet:
        return self.filter(ended_at__isnull=True)

    def gone(self) -> OrderQuerySet:
        """`Order.is_gone` in SQL."""
        return self.filter(absent_readings__gte=ABSENT_READINGS)

    def awaiting_accept(self) -> OrderQuerySet:
        """`Order.awaits_accept` in SQL."""
        return self.filter(Order.AWAITS_ACCEPT)

    def to_hand_over(self) -> OrderQuerySet:
        """Keep accepted orders whose parcels are still to leave us."""
        return self.open().filter(Order.STILL_WITH_US, state__in=Order.MOVING_STATES)

    def with_due(self) -> OrderQuerySet:
        """Add `due`: `Order.due_at` in SQL, to filter and sort by."""
        nothing = Value(None, output_field=models.DateTimeField())
        due = Case(
            When(ended_at__isnull=False, then=nothing),
            When(Order.AWAITS_ACCEPT, then=F("accept_by")),
            When(Order.COMES_BACK, then=F("fetch_by")),
            When(~Order.STILL_WITH_US, then=nothing),
            When(
                Order.AWAITS_ARRIVAL,
                then=Coalesce("arrive_by", "hand_over_by", "planned_delivery_at"),
            ),
            When(
                state=Order.PICKUP,
                then=Coalesce("collect_by", "hand_over_by", "planned_delivery_at"),
            ),
            default=Coalesce("hand_over_by", "planned_delivery_at"),
            output_field=models.DateTimeField(),
        )
        return self.annotate(due=due)

    def count_out_of_stock(self, *, since: datetime) -> tuple[int, int]:
        """Count those cancelled as out of stock, and all, of the orders made since."""
        made = self.filter(created_at__gte=since).order_by()
        counts = made.aggregate(
            short=Count("pk", filter=Order.WAS_OUT_OF_STOCK), all=Count("pk")
        )
        return counts["short"], counts["all"]


class Order(models.Model):
    """A Kaspi order; `state` and `status` are Kaspi's words, unknown ones included."""

    # Kaspi's section of the cabinet, and its status inside.
    NEW, SIGN_REQUIRED, ARCHIVE = "NEW", "SIGN_REQUIRED", "ARCHIVE"
    PICKUP, DELIVERY, KASPI_DELIVERY = "PICKUP", "DELIVERY", "KASPI_DELIVERY"
    APPROVED, ACCEPTED = "APPROVED_BY_BANK", "ACCEPTED_BY_MERCHANT"
    COMPLETED, CANCELLED, RETURNED = "COMPLETED", "CANCELLED", "RETURNED"
    CANCELLING = "CANCELLING"
    RETURN_REQUESTED = "KASPI_DELIVERY_RETURN_REQUESTED"
    RETURN_ACCEPTED = "RETURN_ACCEPTED_BY_MERCHANT"

    STATES = (NEW, SIGN_REQUIRED, PICKUP, DELIVERY, KASPI_DELIVERY, ARCHIVE)
    # Where an order waits before it is accepted, and where an accepted one moves on.
    WAITING_STATES = (NEW, SIGN_REQUIRED)
    MOVING_STATES = (KASPI_DELIVERY, PICKUP, DELIVERY)

    # Nothing can change any more.
    ENDED = (COMPLETED, CANCELLED, RETURNED)
    # The buyer will not get the goods.
    CALLED_OFF = (CANCELLED, CANCELLING, RETURNED, RETURN_REQUESTED, RETURN_ACCEPTED)
    STATUSES = (
        *(APPROVED, ACCEPTED, COMPLETED, CANCELLED, CANCELLING),
        *(RETURN_REQUESTED, RETURN_ACCEPTED, RETURNED),
    )
    # Before the buyer has signed the credit, Kaspi takes no accept.
    AWAITS_ACCEPT = Q(status=APPROVED) & ~Q(state=SIGN_REQUIRED)
    COMES_BACK = Q(status__in=(CANCELLING, RETURN_REQUESTED))
    STILL_WITH_US = Q(status=ACCEPTED, handed_over_at__isnull=True)
    # Packed goods have arrived, whether or not Kaspi was told so.
    AWAITS_ARRIVAL = Q(is_preorder=True, arrived_at__isnull=True, is_assembled=False)

    # What counts against the shop; a deadline that was missed reads the same.
    WAS_OUT_OF_STOCK = Q(status=CANCELLED, cancellation_reason="MERCHANT_OUT_OF_STOCK")

    kaspi_id = models.CharField(_("id at Kaspi"), max_length=80, unique=True)
    code = models.CharField(_("code"), max_length=40, unique=True)
    # What people say of a code. A column, not an expression: only so an index serves
    # both databases.
    code_end = models.GeneratedField(
        expression=Right("code", 4),
        output_field=models.CharField(max_length=4),
        db_persist=True,
    )
    state = models.CharField(_("section"), max_length=60)
    status = models.CharField(_("status at Kaspi"), max_length=60)
    total_kzt = models.IntegerField(_("total, ₸"), null=True, blank=True)
    # Kaspi's fee for the delivery, paid by the merchant.
    delivery_fee_kzt = models.IntegerField(_("delivery fee, ₸"), null=True, blank=True)
    payment_mode = models.CharField(_("payment"), max_length=40, blank=True)
    delivery_mode = models.CharField(_("delivery"), max_length=60, blank=True)
    is_kaspi_delivery = models.BooleanField(_("Kaspi delivers"), default=False)
    is_express = models.BooleanField(_("express"), default=False)
    is_preorder = models.BooleanField(_("pre-order"), default=False)
    needs_signature = models.BooleanField(_("credit to sign"), default=False)
    pickup_point = models.CharField(_("point of sale"), max_length=120, blank=True)
    cancellation_reason = models.CharField(
        _("reason of cancellation"), max_length=120, blank=True
    )
    created_at = models.DateTimeField(_("created"))
    approved_at = models.DateTimeField(_("approved"), null=True, blank=True)
    planned_delivery_at = models.DateTimeField(
        _("delivery planned"), null=True, blank=True
    )
    accept_by = models.DateTimeField(_("accept by"), null=True, blank=True)
    deadline_warned_at = models.DateTimeField(
        _("warned of the deadline"), null=True, blank=True
    )
    # Until when a pre-order's goods must arrive, a buyer collects the goods from us,
    # and we fetch those that come back.
    arrive_by = models.DateTimeField(_("goods arrive by"), null=True, blank=True)
    arrived_at = models.DateTimeField(_("goods arrived"), null=True, blank=True)
    collect_by = models.DateTimeField(_("buyer collects by"), null=True, blank=True)
    fetch_by = models.DateTimeField(_("fetch back by"), null=True, blank=True)
    # The first value given: later Kaspi overwrites the plan with the fact.
    hand_over_by = models.DateTimeField(_("hand over by"), null=True, blank=True)
    handed_over_at = models.DateTimeField(_("handed over"), null=True, blank=True)
    is_assembled = models.BooleanField(_("assembled"), default=False)
    is_back_at_warehouse = models.BooleanField(_("back at the point"), default=False)
    waybill_number = models.CharField(_("waybill"), max_length=80, blank=True)
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    # The list has open orders first, then those that ended last: so an index gives
    # them in either database, which differ in where nothing is sorted.
    ended_at_or_never = models.GeneratedField(
        expression=Coalesce("ended_at", Value(NEVER)),
        output_field=models.DateTimeField(),
        db_persist=True,
    )
    # Since when, and in how many readings in a row, Kaspi did not show it.
    absent_since = models.DateTimeField(_("not shown since"), null=True, blank=True)
    absent_readings = models.PositiveSmallIntegerField(
        _("readings without it"), default=0
    )
    # The buyer has asked for it: no reading brings name, phone or waybill back.
    buyer_erased_at = models.DateTimeField(
        _("buyer's data erased"), null=True, blank=True
    )
    # What intake could not make sense of: a person must look before anything is done.
    problem = models.TextField(_("what is wrong"), blank=True)
    note = models.TextField(_("note"), blank=True)

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ["-created_at", "-pk"]
        permissions = [
            ("retry_step", _("Can retry steps and re-read orders")),
            ("accept_order", _("Can accept orders")),
            ("assemble_order", _("Can assemble orders and print waybills")),
            ("complete_order", _("Can hand orders over to buyers")),
            ("cancel_order", _("Can cancel orders")),
            ("reserve_order", _("Can reserve and release goods at Al-Style")),
            ("view_buyer_data", _("Can see buyers' names and phones")),
            ("answer_buyer", _("Can export and erase a buyer's data")),
        ]
        indexes = [
            # Admin list and deadlines: open orders by time left.
            models.Index(
                fields=["accept_by"],
                name="order_open_by_deadline",
                condition=Q(ended_at__isnull=True),
            ),
            # Re-reading: open orders by age.
            models.Index(
                fields=["created_at"],
                name="order_open_by_age",
                condition=Q(ended_at__isnull=True),
            ),
            # Admin list: all of them, and the ended ones.
            models.Index(fields=["-ended_at_or_never"], name="order_by_end"),
            # Admin list, newest first; orders by day.
            models.Index(fields=["-created_at"], name="order_newest"),
            # Admin list: sorted by sum; by status, of which most have the same.
            models.Index(fields=["total_kzt"], name="order_by_total"),
            models.Index(fields=["status", "id"], name="order_by_status"),
            # admin.search: by the last digits of the code.
            models.Index(fields=["code_end"], name="order_code_end"),
            # The day's hand-over sheet.
            models.Index(
                fields=["handed_over_at"],
                name="order_handed_over",
                condition=Q(handed_over_at__isnull=False),
            ),
            # A scanned label.
            models.Index(fields=["waybill_number"], name="order_waybill"),
            # The profit report: what was called off in a period.
            models.Index(
                fields=["ended_at"],
                name="order_called_off",
                condition=Q(status="CANCELLED"),
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def has_ended(self) -> bool:
        """Tell whether nothing but a return can change the order."""
        if self.status in self.ENDED:
            return True
        return self.state == self.ARCHIVE and not self.is_called_off

    @property
    def is_gone(self) -> bool:
        """Tell whether so many readings in a row did not show it that a person acts."""
        return self.absent_readings >= ABSENT_READINGS

    @property
    def is_closed(self) -> bool:
        """Tell whether a person has closed an order that Kaspi no longer shows."""
        return self.ended_at is not None and not self.has_ended

    @property
    def is_in_unknown_state(self) -> bool:
        """Tell whether Kaspi's word for where it stands is none that we know."""
        return self.status not in self.STATUSES or self.state not in self.STATES

    @property
    def is_unsigned(self) -> bool:
        """Tell whether the buyer has still to sign: reserved, but not accepted."""
        return self.state == self.SIGN_REQUIRED

    @property
    def is_called_off(self) -> bool:
        """Tell whether the buyer will not get the goods."""
        return self.status in self.CALLED_OFF

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more can be asked for the order's sake."""
        return self.is_called_off or self.status in self.ENDED

    @property
    def is_past_buying(self) -> bool:
        """Tell whether goods bought now would come for nobody."""
        has_left = self.handed_over_at is not None
        return self.is_called_off or has_left or self.ended_at is not None

    @property
    def is_served(self) -> bool:
        """Tell whether all its goods, as far as known, are held or on their way."""
        return any(not held.is_short for held in self.reservations.serving())

    @property
    def is_being_cancelled(self) -> bool:
        """Tell whether a cancel waits or may have been done: promise nothing."""
        return self.steps.of_kind("cancel").open().exists()

    @property
    def is_fetched_by_kaspi(self) -> bool:
        return self.state == self.KASPI_DELIVERY

    @property
    def is_fetched_by_buyer(self) -> bool:
        """Tell whether the buyer comes to our own point for it."""
        if self.is_kaspi_delivery:
            return False
        return self.state == self.PICKUP or self.delivery_mode == "DELIVERY_PICKUP"

    def cause_to_look(self, lines: Iterable[OrderLine]) -> Cause | None:
        """Say why a person must look before goods are bought; None when not."""
        lines = list(lines)
        unknown = next((line for line in lines if line.product_id is None), None)
        if self.absent_readings:
            reason = Reason.NOT_SHOWN
        elif not lines:
            reason = Reason.NO_LINES
        else:
            reason = Reason.UNKNOWN_SKU if unknown else Reason.UNREADABLE
        if self.problem:
            return Cause(reason, self.problem)
        if not lines:
            text = gettext("The order came without its lines: read it again")
            return Cause(reason, text)
        for line in lines:
            if line.problem:
                return Cause(reason, line.problem)
        if unknown is not None:
            text = gettext("SKU %(sku)s is none of our products")
            return Cause(reason, text % {"sku": unknown.sku or "—"})
        return None

    # These stand in SQL as well, above and in `OrderQuerySet`; one test compares them.
    @property
    def awaits_accept(self) -> bool:
        return self.status == self.APPROVED and not self.is_unsigned

    @property
    def comes_back(self) -> bool:
        """Tell whether the goods are on their way back, or wait to be fetched."""
        return self.status in (self.CANCELLING, self.RETURN_REQUESTED)

    @property
    def is_still_with_us(self) -> bool:
        return self.status == self.ACCEPTED and self.handed_over_at is None

    @property
    def awaits_arrival(self) -> bool:
        """Tell whether a pre-order's goods are still to come."""
        return self.is_preorder and self.arrived_at is None and not self.is_assembled

    @property
    def due_at(self) -> datetime | None:
        """Until when what the order waits for must be done; None = no deadline."""
        if self.ended_at is not None:
            return None
        if self.awaits_accept:
            return self.accept_by
        if self.comes_back:
            return self.fetch_by
        if not self.is_still_with_us:
            return None
        first = None
        if self.awaits_arrival:
            first = self.arrive_by
        elif self.state == self.PICKUP:
            first = self.collect_by
        return first or self.hand_over_by or self.planned_delivery_at


class Buyer(models.Model):
    """The buyer's personal data, kept apart and deleted some days after the end."""

    order = models.OneToOneField(
        Order,
        verbose_name=_("order"),
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="buyer",
    )
    name = models.CharField(_("name"), max_length=200, blank=True)
    phone = models.CharField(_("phone"), max_length=40, blank=True)
    address = models.TextField(_("address"), blank=True)

    class Meta:
        verbose_name = _("buyer")
        verbose_name_plural = _("buyers")
        indexes = [
            # admin.search: a buyer calls.
            models.Index(fields=["phone"], name="buyer_phone"),
        ]

    def __str__(self) -> str:
        return f"№{self.pk}"


class OrderLine(models.Model):
    """One position of an order."""

    order = models.ForeignKey(
        Order, verbose_name=_("order"), on_delete=models.CASCADE, related_name="lines"
    )
    entry_id = models.CharField(_("id at Kaspi"), max_length=120)
    sku = models.CharField(_("SKU"), max_length=80, blank=True)
    name = models.CharField(_("name"), max_length=500, blank=True)
    product = models.ForeignKey(
        "catalog.Product",
        verbose_name=_("product"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="order_lines",
    )
    # Null = Kaspi's figure is not a whole positive number; `problem` says what it is.
    quantity = models.PositiveIntegerField(_("quantity"), null=True, blank=True)
    price_kzt = models.IntegerField(_("price, ₸"), null=True, blank=True)
    total_kzt = models.IntegerField(_("total, ₸"), null=True, blank=True)
    # Its title: what Kaspi's commission goes by.
    kaspi_category = models.CharField(
        _("category at Kaspi"), max_length=200, blank=True
    )
    needs_imei = models.BooleanField(_("IMEI needed"), default=False)
    problem = models.TextField(_("what is wrong"), blank=True)

    class Meta:
        verbose_name = _("line")
        verbose_name_plural = _("lines")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["order", "entry_id"], name="orderline_once_per_order"
            ),
        ]
        indexes = [
            # admin.search: orders of an SKU, also of one that is none of our products.
            models.Index(fields=["sku"], name="orderline_sku"),
        ]

    def __str__(self) -> str:
        return f"{self.sku} × {self.quantity}"


class MasterProduct(models.Model):
    """Kaspi's card number → our SKU; the pair does not change once known."""

    masterproduct_id = models.CharField(_("card at Kaspi"), max_length=120, unique=True)
    sku = models.CharField(_("SKU"), max_length=80)

    class Meta:
        verbose_name = _("card at Kaspi")
        verbose_name_plural = _("cards at Kaspi")

    def __str__(self) -> str:
        return f"{self.masterproduct_id} → {self.sku}"


class SkuMappingQuerySet(models.QuerySet["SkuMapping"]):
    def products_of(self, skus: Iterable[str]) -> dict[str, Product]:
        """Map SKUs to products: by their own SKU, else as a person has said."""
        wanted = {sku for sku in skus if sku}
        found: dict[str, Product] = Product.objects.in_bulk(wanted, field_name="sku")
        if left := wanted - found.keys():
            for mapping in self.filter(sku__in=left).select_related("product"):
                found[mapping.sku] = mapping.product
        return found


class SkuMapping(models.Model):
    """A SKU at Kaspi that is none of our products, and which one it means."""

    sku = models.CharField(_("SKU at Kaspi"), max_length=80, primary_key=True)
    product = models.ForeignKey(
        "catalog.Product",
        verbose_name=_("product"),
        on_delete=models.CASCADE,
        related_name="sku_mappings",
    )
    noted_at = models.DateTimeField(_("noted"))
    noted_by = models.CharField(_("noted by"), max_length=150)

    objects = SkuMappingQuerySet.as_manager()

    class Meta:
        verbose_name = _("product of an unknown SKU")
        verbose_name_plural = _("products of unknown SKUs")
        ordering = ["-noted_at"]

    def __str__(self) -> str:
        return f"{self.sku} → {self.product_id}"


class ReadMarkQuerySet(models.QuerySet["ReadMark"]):
    """Marks of sections read, and how they are moved."""

    def first_read_at(self) -> datetime | None:
        """Say since when the bridge reads orders; None = not yet."""
        marks = self.filter(state=Order.NEW, read_until__gt=LONG_AGO)
        return marks.values_list("first_read_at", flat=True).first()

    def whole(self) -> ReadMarkQuerySet:
        """Keep the sections that were ever read to the last page."""
        return self.filter(read_until__gt=LONG_AGO)

    def note_read(self, state: str, *, now: datetime, trouble: str = "") -> None:
        """Move a section's mark: it was read to the last page."""
        mark, _is_new = self.get_or_create(
            state=state, defaults={"read_until": now, "first_read_at": now}
        )
        if not mark.was_ever_read:
            mark.first_read_at = now
        mark.read_until, mark.failed_at, mark.error = now, None, redact(trouble)
        mark.failure = ""
        mark.save()

    def note_failure(
        self, state: str, *, now: datetime, error: str, failure: str = Failure.OTHER
    ) -> None:
        """Leave a section's mark where it is and say why."""
        failed = {"failed_at": now, "error": redact(error), "failure": failure}
        never = {"read_until": LONG_AGO, "first_read_at": now}
        self.update_or_create(
            state=state, defaults=failed, create_defaults={**never, **failed}
        )


class ReadMark(models.Model):
    """Up to which moment the orders of a state were read to the last page."""

    state = models.CharField(_("section"), max_length=60, primary_key=True)
    read_until = models.DateTimeField(_("read until"))
    # Orders accepted by hand before this moment were also reserved by hand.
    first_read_at = models.DateTimeField(_("first read"))
    failed_at = models.DateTimeField(_("failed"), null=True, blank=True)
    failure = models.CharField(
        _("sort of failure"), max_length=10, choices=Failure.choices, blank=True
    )
    error = models.TextField(_("error"), blank=True)

    objects = ReadMarkQuerySet.as_manager()

    class Meta:
        verbose_name = _("reading of orders")
        verbose_name_plural = _("readings of orders")

    def __str__(self) -> str:
        return self.state

    @property
    def was_ever_read(self) -> bool:
        return self.read_until > LONG_AGO

    def is_late(self, *, now: datetime) -> bool:
        """Tell whether the section was not read to its end for too long."""
        if self.state == Order.ARCHIVE:
            limit = ARCHIVE_LATE
        elif self.state in Order.WAITING_STATES:
            limit = max(
                POLL_LATE, 3 * timedelta(minutes=settings.POLL_ORDERS_EVERY_MIN)
            )
        else:
            every = timedelta(minutes=settings.REFRESH_ORDERS_EVERY_MIN)
            limit = max(REFRESH_LATE, 3 * every)
        return now - self.read_until > limit


class Waybill(models.Model):
    """A waybill's PDF: its link dies once the parcel has left."""

    order = models.ForeignKey(
        Order,
        verbose_name=_("order"),
        on_delete=models.CASCADE,
        related_name="waybills",
    )
    number = models.CharField(_("number"), max_length=80, blank=True)
    pdf = models.BinaryField(_("PDF"))
    fetched_at = models.DateTimeField(_("fetched"))
    # The last time; earlier ones stand in the order's history.
    printed_at = models.DateTimeField(_("printed"), null=True, blank=True)
    printed_by = models.CharField(_("printed by"), max_length=150, blank=True)

    class Meta:
        verbose_name = _("waybill")
        verbose_name_plural = _("waybills")
        constraints = [
            models.UniqueConstraint(fields=["order", "number"], name="waybill_once"),
        ]
        indexes = [
            # A scanned label that was replaced by another; admin.search: a number.
            models.Index(fields=["number"], name="waybill_number"),
        ]

    def __str__(self) -> str:
        return self.number
