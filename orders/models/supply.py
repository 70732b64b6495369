"""What Al-Style holds for our orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders.models.order import Order, OrderLine

if TYPE_CHECKING:
    from orders.models.step import Step


def merged_quantities(lines: Iterable[OrderLine]) -> dict[int, int]:
    """Add up the pieces per product id; lines that cannot be read are left out."""
    total: Counter[int] = Counter()
    for line in lines:
        if line.product_id is not None and line.quantity:
            total[line.product_id] += line.quantity
    return dict(total)


def pieces_in(lines: Iterable[Sequence[str | int | None]] | None) -> Counter[str]:
    """Add up the pieces per article: article, quantity, price as the supplier has.

    None where lines are not shown, as in a list of orders.
    """
    pieces: Counter[str] = Counter()
    for article, quantity, _price in lines or ():
        pieces[str(article)] += int(quantity or 0)
    return pieces


def supplied_quantity(quantity: int, multiplicity: int | None) -> int:
    """Round up to what the supplier sells at once; the rest stays with us."""
    by = multiplicity or 1
    return -(-quantity // by) * by


class SupplierOrderQuerySet(models.QuerySet["SupplierOrder"]):
    """Al-Style's orders under either of their numbers."""

    def numbered(self, *numbers: str) -> SupplierOrderQuerySet:
        return self.filter(Q(supplier_order_id__in=numbers) | Q(listed_id__in=numbers))


class SupplierOrder(models.Model):
    """An order at Al-Style; several reservations may share one."""

    # The supplier's codes; unknown ones are kept and shown.
    CANCELLED, MERGED = "DA", "Un"
    SHIPPED = ("P", "F")
    STATUS_NAMES = {
        "": _("just placed"),
        "N": _("awaits payment"),
        "R": _("preliminary reserve"),
        "SV": _("ready to ship"),
        "OS": _("being shipped"),
        "OK": _("being shipped"),
        "P": _("shipped, unpaid"),
        "F": _("shipped and paid"),
        MERGED: _("merged"),
        CANCELLED: _("cancelled"),
    }

    supplier_order_id = models.CharField(
        _("number at Al-Style"), max_length=40, unique=True
    )
    # The same order may be listed under another, longer number.
    listed_id = models.CharField(_("number in the list"), max_length=40, blank=True)
    status = models.CharField(_("status"), max_length=20, blank=True)
    sum_kzt = models.IntegerField(_("sum, ₸"), null=True, blank=True)
    # What its list said when it was last read alone: it need not reckon as that does.
    listed_sum_kzt = models.IntegerField(_("sum in the list, ₸"), null=True, blank=True)
    # [["70311", 2, 1420], ...]: article, quantity, price as the supplier has them.
    lines = models.JSONField(_("lines"), default=list, blank=True)
    merged_into = models.ForeignKey(
        "self",
        verbose_name=_("merged into"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="merged",
    )
    placed_at = models.DateTimeField(_("placed"))
    read_at = models.DateTimeField(_("last read"), null=True, blank=True)

    objects = SupplierOrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("order at Al-Style")
        verbose_name_plural = _("orders at Al-Style")
        ordering = ["-placed_at", "-pk"]
        indexes = [
            # numbered(): by the number in the lists; the other is unique.
            models.Index(fields=["listed_id"], name="supplierorder_listed"),
        ]

    def __str__(self) -> str:
        return self.supplier_order_id

    @property
    def status_name(self) -> str:
        """Say where it stands; a code that nobody knows yet as it is."""
        return self.name_status(self.status)

    @classmethod
    def name_status(cls, status: str) -> str:
        return str(cls.STATUS_NAMES.get(status, status))

    @property
    def has_left_stock(self) -> bool:
        return self.status in self.SHIPPED

    @property
    def is_cancelled(self) -> bool:
        return self.status == self.CANCELLED

    @property
    def quantities(self) -> dict[str, int]:
        """Map articles to the pieces that the supplier has in this order."""
        return pieces_in(self.lines)

    def has_other_sum(self, listed_kzt: int | None) -> bool:
        """Tell whether its list shows another sum than when it was last read alone."""
        known = self.sum_kzt if self.listed_sum_kzt is None else self.listed_sum_kzt
        return None not in (known, listed_kzt) and known != listed_kzt

    def merged_sources(self) -> list[SupplierOrder]:
        """List the supplier's orders that went into this one, directly or not."""
        found: list[SupplierOrder] = []
        todo = [self]
        while todo:
            sources = [s for s in todo.pop().merged.all() if s not in found]
            found += sources
            todo += sources
        return found

    def is_shared(self) -> bool:
        """Tell whether a cancel would take other orders' goods away too."""
        if self.merged_into_id is not None:
            return True
        whole = [self, *self.merged_sources()]
        return Reservation.objects.open().filter(supplier_order__in=whole).count() > 1


def whole_order(supplied: SupplierOrder) -> SupplierOrder:
    """Follow merges to the order that holds the goods now."""
    while supplied.merged_into is not None:
        supplied = supplied.merged_into
    return supplied


class ReservationQuerySet(models.QuerySet["Reservation"]):
    """Reservations by what they still mean for the stock and for the order."""

    def open(self) -> ReservationQuerySet:
        return self.filter(status__in=Reservation.OPEN)

    def wanted(self) -> ReservationQuerySet:
        return self.filter(status=Reservation.Status.WANTED)

    def held(self) -> ReservationQuerySet:
        """Those whose goods one of Al-Style's orders holds, being released or not."""
        return self.filter(
            status__in=(Reservation.Status.HELD, Reservation.Status.RELEASING)
        )

    def held_before(self, step: Step) -> ReservationQuerySet:
        """Those a release can mean: an order may have been reserved anew since."""
        return self.held().filter(order=step.order_id, created_at__lte=step.created_at)

    def to_release(self) -> ReservationQuerySet:
        """Those that a person may call released."""
        return self.held() | self.filter(status=Reservation.Status.BY_HAND)

    def serving(self) -> ReservationQuerySet:
        """Those for whose sake the buyer's order may be accepted and sent on."""
        return self.filter(status__in=Reservation.SERVING)

    def counted(self) -> ReservationQuerySet:
        return self.filter(counts=True)

    def having(self, *numbers: str) -> ReservationQuerySet:
        """Those whose goods one of Al-Style's orders holds, has sent, or was made for.

        Released or not needed any more, they have let it go.
        """
        known = SupplierOrder.objects.numbered(*numbers)
        bought = Q(purchases__status="made", purchases__supplier_order__in=known)
        gone = (Reservation.Status.RELEASED, Reservation.Status.DROPPED)
        having = self.filter(Q(supplier_order__in=known) | bought)
        return having.exclude(status__in=gone).distinct()


class Reservation(models.Model):
    """The goods of one order, wanted from or held by Al-Style."""

    class Status(models.TextChoices):
        WANTED = "wanted", _("wanted")
        HELD = "held", _("held")
        BY_HAND = "by_hand", _("reserved by hand")
        RELEASING = "releasing", _("being released")
        SHIPPED = "shipped", _("shipped")
        RELEASED = "released", _("released")
        DROPPED = "dropped", _("not needed")

    # The goods are held, or on their way to us already.
    SERVING = (Status.HELD, Status.BY_HAND, Status.SHIPPED)
    OPEN = (Status.WANTED, Status.HELD, Status.BY_HAND, Status.RELEASING)
    ALLOWED = {
        Status.WANTED: (Status.HELD, Status.BY_HAND, Status.DROPPED),
        Status.HELD: (Status.RELEASING, Status.SHIPPED, Status.RELEASED),
        Status.BY_HAND: (Status.DROPPED, Status.SHIPPED),
        Status.RELEASING: (Status.RELEASED, Status.SHIPPED, Status.HELD),
        Status.SHIPPED: (),
        Status.RELEASED: (),
        Status.DROPPED: (),
    }

    order = models.ForeignKey(
        Order,
        verbose_name=_("order"),
        on_delete=models.CASCADE,
        related_name="reservations",
    )
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.WANTED
    )
    supplier_order = models.ForeignKey(
        SupplierOrder,
        verbose_name=_("order at Al-Style"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="reservations",
    )
    cost_kzt = models.IntegerField(_("cost, ₸"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"))
    held_at = models.DateTimeField(_("held since"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    # Stock figures read after this moment contain the reservation.
    left_stock_at = models.DateTimeField(_("left the stock"), null=True, blank=True)
    # Whether it is still to be subtracted from the supplier's stock.
    counts = models.BooleanField(_("counts against the stock"), default=True)

    objects = ReservationQuerySet.as_manager()

    class Meta:
        verbose_name = _("reservation")
        verbose_name_plural = _("reservations")
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["order"],
                name="reservation_one_open_per_order",
                condition=Q(status__in=["wanted", "held", "by_hand", "releasing"]),
            ),
            models.CheckConstraint(
                name="reservation_held_has_supplier_order",
                condition=~Q(status__in=["held", "releasing", "released"])
                | Q(supplier_order__isnull=False),
            ),
            models.CheckConstraint(
                name="reservation_status_known",
                condition=Q(
                    status__in=[
                        "wanted",
                        "held",
                        "by_hand",
                        "releasing",
                        "shipped",
                        "released",
                        "dropped",
                    ]
                ),
            ),
        ]
        indexes = [
            # Availability: what is to be subtracted from the stock.
            models.Index(
                fields=["order"], name="reservation_counts", condition=Q(counts=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_id}: {self.get_status_display()}"

    @property
    def has_goods(self) -> bool:
        """Tell whether Al-Style keeps goods for it."""
        return self.status in (self.Status.HELD, self.Status.BY_HAND)

    @property
    def has_left_stock(self) -> bool:
        supplied = self.supplier_order
        return supplied is not None and supplied.has_left_stock

    @property
    def is_short(self) -> bool:
        """Tell whether Al-Style's order is known to lack pieces that the buyer ordered.

        A shared one must have what all its orders want.
        """
        if self.supplier_order is None:
            return False
        whole = whole_order(self.supplier_order)
        if not whole.lines:
            return False
        sources = [whole, *whole.merged_sources()]
        sharing = Reservation.objects.serving().filter(supplier_order__in=sources)
        lines = OrderLine.objects.filter(order__in=sharing.values("order"))
        wanted: Counter[str] = Counter()
        mine = set()
        for line in lines.exclude(product=None).select_related("product"):
            article = line.product.article  # type: ignore[union-attr]
            wanted[article] += line.quantity or 0
            if line.order_id == self.order_id:
                mine.add(article)
        there = whole.quantities
        return any(wanted[article] > there.get(article, 0) for article in mine)

    @property
    def is_being_let_go(self) -> bool:
        """Tell whether its release waits or may have been done: promise nothing."""
        releases = self.order.steps.of_kind("release").open()
        return releases.filter(created_at__gte=self.created_at).exists()

    @property
    def was_held_too_late(self) -> bool:
        """Tell whether the goods were bought after the order had left or ended."""
        over, held = self.order.handed_over_at or self.order.ended_at, self.held_at
        return over is not None and held is not None and held > over

    @property
    def is_being_bought(self) -> bool:
        """Tell whether an order of it may exist that it does not know yet.

        One that is made counts until its step has noted it: bought together, another
        order's was first.
        """
        mine = self.purchases.exclude(status="given_up")
        if self.status != self.Status.WANTED:
            mine = mine.exclude(status="made")
        return mine.exists()

    def wants(self, lines: Iterable[OrderLine]) -> bool:
        """Tell whether it wants just what the lines say."""
        wanted = dict(self.lines.values_list("product_id", "quantity"))
        return wanted == merged_quantities(lines)

    def want(self, lines: Iterable[OrderLine]) -> None:
        """Make a reservation want what the lines say.

        One that is held already: Al-Style's order was made to fit.
        """
        self.lines.all().delete()
        ReservationLine.objects.bulk_create(
            ReservationLine(reservation=self, product_id=pk, quantity=quantity)
            for pk, quantity in merged_quantities(lines).items()
        )
        if self.status != self.Status.WANTED:
            self.note_bought()

    def note_bought(self) -> None:
        """Keep how many pieces were bought: what is sold at once may change later."""
        lines = list(self.lines.filter(bought=None).select_related("product"))
        for line in lines:
            line.bought = line.supplied_quantity
        ReservationLine.objects.bulk_update(lines, ["bought"])


class ReservationLine(models.Model):
    """Pieces of one product in a reservation; one line per product."""

    reservation = models.ForeignKey(
        Reservation,
        verbose_name=_("reservation"),
        on_delete=models.CASCADE,
        related_name="lines",
    )
    product = models.ForeignKey(
        "catalog.Product",
        verbose_name=_("product"),
        on_delete=models.PROTECT,
        related_name="reservation_lines",
    )
    quantity = models.PositiveIntegerField(_("quantity"))
    # Pieces that Al-Style's order has for these; null until it holds them.
    bought = models.PositiveIntegerField(_("pieces bought"), null=True, blank=True)

    class Meta:
        verbose_name = _("reserved product")
        verbose_name_plural = _("reserved products")
        constraints = [
            models.UniqueConstraint(
                fields=["reservation", "product"], name="reservationline_merged"
            ),
            models.CheckConstraint(
                name="reservationline_positive", condition=Q(quantity__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product_id} × {self.quantity}"

    @property
    def supplied_quantity(self) -> int:
        """Pieces that the supplier must give, or has given, for these."""
        if self.bought is not None:
            return self.bought
        return supplied_quantity(self.quantity, self.product.multiplicity)


class SupplierAccount(models.Model):
    """Our account at Al-Style, which `submit` must name: one row, read once a day."""

    name = models.CharField(_("name"), max_length=40, primary_key=True)
    # Al-Style's own records; they name people, so no page and no log shows them.
    attorneys = models.JSONField(_("powers of attorney"), default=list, blank=True)
    deliveries = models.JSONField(_("ways of delivery"), default=list, blank=True)
    bin = models.CharField(_("BIN"), max_length=20, blank=True)
    read_at = models.DateTimeField(_("read"))

    class Meta:
        verbose_name = _("account at Al-Style")
        verbose_name_plural = _("accounts at Al-Style")

    def __str__(self) -> str:
        return self.name
