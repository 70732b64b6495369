"""What each line of an order brings, booked on a day."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Count, F, Q, Sum
from django.utils.translation import gettext_lazy as _

from orders.models.order import Order, OrderLine


class BookingQuerySet(models.QuerySet["Booking"]):
    def booked(self) -> BookingQuerySet:
        """Leave out what is only expected."""
        return self.exclude(kind=Booking.Kind.EXPECTED)

    def expected(self) -> BookingQuerySet:
        return self.filter(kind=Booking.Kind.EXPECTED)

    def coming_back(self) -> BookingQuerySet:
        """Keep the sales whose goods are on their way back: returns to come."""
        return self.filter(Q(kind=Booking.Kind.SALE) & Booking.ORDER_COMES_BACK)

    def orders_below(self, *, percent: Any, kzt: int) -> models.QuerySet[Any]:
        """Give the pks of orders that earn less than both limits ask for.

        `percent` is of the cost. Orders of which something is not known are left out:
        nobody can say what they earn. `Totals.is_below` is the same for one order.
        """
        living = self.filter(kind__in=(Booking.Kind.EXPECTED, Booking.Kind.SALE))
        sums = (
            living.order_by()
            .values("order")
            .annotate(
                earned=Sum("profit_kzt"),
                spent=Sum("cost_kzt"),
                doubtful=Count("pk", filter=Q(profit_kzt__isnull=True)),
            )
        )
        short = Q(earned__lt=kzt) | Q(earned__lt=F("spent") * percent / 100)
        return sums.filter(short, doubtful=0).values("order")


class Booking(models.Model):
    """What one line of an order brings and costs, on the day it counts for.

    Days are Almaty's. A *sale* counts on the day on which the order was seen to be
    completed: then the buyer has the goods and Kaspi pays. A *return* counts on the
    day on which it was seen, with the sale's figures reversed but the delivery, which
    is lost; the sale stays in its own month. An order that is called off before it
    was completed has no row at all. What is still open is *expected*: it counts in no
    period, and becomes a sale or nothing.

    `orders.money.booking` alone writes these rows; they can be worked out anew.
    """

    class Kind(models.TextChoices):
        EXPECTED = "expected", _("expected")
        SALE = "sale", _("sale")
        RETURN = "return", _("return")

    ORDER_COMES_BACK = Q(order__status__in=(Order.CANCELLING, Order.RETURN_REQUESTED))

    order = models.ForeignKey(
        Order,
        verbose_name=_("order"),
        on_delete=models.CASCADE,
        related_name="bookings",
    )
    # None = Kaspi has told no lines: the order as a whole.
    line = models.ForeignKey(
        OrderLine,
        verbose_name=_("line"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="bookings",
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    day = models.DateField(_("day"))
    # As they were when it was booked: a product may move to another branch.
    product = models.ForeignKey(
        "catalog.Product",
        verbose_name=_("product"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="bookings",
    )
    brand = models.CharField(_("brand"), max_length=120, blank=True)
    category = models.ForeignKey(
        "catalog.Category",
        verbose_name=_("category"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="bookings",
    )
    # One row of an order's lines booked together: to count orders without DISTINCT.
    counts_order = models.BooleanField(_("counts the order"), default=False)
    quantity = models.IntegerField(_("pieces"), default=0)
    revenue_kzt = models.BigIntegerField(_("revenue, ₸"), default=0)
    # None = not known; then the profit is not known either, and counts nowhere.
    cost_kzt = models.BigIntegerField(_("cost, ₸"), null=True, blank=True)
    commission_kzt = models.BigIntegerField(_("commission, ₸"), null=True, blank=True)
    tax_kzt = models.BigIntegerField(_("tax, ₸"), null=True, blank=True)
    delivery_kzt = models.BigIntegerField(_("delivery, ₸"), default=0)
    profit_kzt = models.BigIntegerField(_("profit, ₸"), null=True, blank=True)
    # As Al-Style's order says, not reckoned from its dealer prices.
    is_cost_final = models.BooleanField(_("cost as paid"), default=False)
    # Kaspi has not told its fee: what the price was made with.
    is_delivery_estimated = models.BooleanField(_("delivery estimated"), default=False)

    objects = BookingQuerySet.as_manager()

    class Meta:
        verbose_name = _("profit")
        verbose_name_plural = _("profit")
        ordering = ["-day", "-pk"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["order", "line", "kind"],
                condition=Q(line__isnull=False),
                name="booking_once_per_line",
            ),
            models.UniqueConstraint(
                fields=["order", "kind"],
                condition=Q(line__isnull=True),
                name="booking_once_per_order",
            ),
            models.CheckConstraint(
                name="booking_kind_known",
                condition=Q(kind__in=["expected", "sale", "return"]),
            ),
            # What is not known is never counted as profit.
            models.CheckConstraint(
                name="booking_profit_adds_up",
                condition=Q(
                    profit_kzt__isnull=False,
                    cost_kzt__isnull=False,
                    commission_kzt__isnull=False,
                    tax_kzt__isnull=False,
                    profit_kzt=F("revenue_kzt")
                    - F("cost_kzt")
                    - F("commission_kzt")
                    - F("tax_kzt")
                    - F("delivery_kzt"),
                )
                | Q(profit_kzt__isnull=True),
            ),
        ]
        indexes = [
            # The report: what is booked in a period, whatever it is grouped by. It
            # holds all that is summed up: a year's rows lie scattered in the table,
            # and fetching them took longer than adding them up.
            models.Index(
                fields=[
                    "day",
                    "kind",
                    "product",
                    "brand",
                    "category",
                    "order",
                    "counts_order",
                    "quantity",
                    "revenue_kzt",
                    "cost_kzt",
                    "commission_kzt",
                    "tax_kzt",
                    "delivery_kzt",
                    "profit_kzt",
                ],
                name="booking_report",
            ),
            # The overview and the report: all that is expected.
            models.Index(
                fields=["order"],
                name="booking_expected",
                condition=Q(kind="expected"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_id}: {self.get_kind_display()}"
