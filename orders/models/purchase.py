"""Fillings of the shared cart, and what was learned of the supplier from them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypedDict

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders.models.order import Order
from orders.models.step import CLAIM_S
from orders.models.supply import Reservation, SupplierOrder

# Behind the article of a marked-down row in the readings of the cart.
MARKDOWN = " (markdown)"
# Article, pieces, and what a piece cost when the price was last read (None = unknown).
WantedLine = tuple[str, int, int | None]


class CartSeen(TypedDict):
    """The cart as it was read at a moment (ISO): pieces by article."""

    at: str
    rows: dict[str, int]


class WatchedCall(TypedDict):
    """What one call of a supervised purchase showed a person.

    `rows`: [article, pieces, price, balance, is marked down]; None = it read no cart.
    `by`: who said "go on" to it.
    """

    at: str
    call: str
    rows: list[list[str | int | bool | None]] | None
    words: str
    is_clear: bool
    by: str


class PurchaseQuerySet(models.QuerySet["Purchase"]):
    """Purchases by what they still mean for the cart."""

    def unsettled(self) -> PurchaseQuerySet:
        return self.filter(status__in=Purchase.UNSETTLED)

    def paused(self) -> PurchaseQuerySet:
        """Those that wait for the word of the person who watches them."""
        return self.unsettled().filter(paused_at__isnull=False)

    def unverified(self) -> PurchaseQuerySet:
        """Those that made an order which nobody has read since."""
        made = self.filter(status=Purchase.Status.MADE, verified_at__isnull=True)
        return made.filter(supplier_order__isnull=False)

    def unshown(self) -> PurchaseQuerySet:
        """Those whose order Al-Style did not show, though it holds goods for us."""
        asked = self.unverified().filter(unshown_at__isnull=False)
        held = Reservation.objects.held()
        return asked.filter(supplier_order__in=held.values("supplier_order"))


class Purchase(models.Model):
    """One filling of the cart at Al-Style: what was put in, and what became of it.

    Never wiped, never used again. At most one has the cart: while it does, nobody else
    puts anything in. One whose order is looked for, or that waits for a person, holds
    up the same goods only.
    """

    class Status(models.TextChoices):
        OPENED = "opened", _("begun")
        FILLING = "filling", _("being filled")
        SUBMITTING = "submitting", _("submit sent")
        SOUGHT = "sought", _("order looked for")
        NEEDS_PERSON = "needs_person", _("needs a person")
        MADE = "made", _("order made")
        GIVEN_UP = "given_up", _("given up, nothing bought")

    class Stage(models.TextChoices):
        """The last call of a supervised purchase that a person was shown."""

        LOOKED = "looked", _("looked into the cart")
        ADDED = "added", _("put our goods in")
        CHECKED = "checked", _("looked whether they are in")
        UNANSWERED = "unanswered", _("submit without an answer, cart still ours")
        SUBMITTED = "submitted", _("submit sent")
        AFTER = "after", _("looked into the cart after it")

    # The cart is its own: nobody else may put anything in.
    HAS_CART = (Status.OPENED, Status.FILLING, Status.SUBMITTING)
    # An order of it may exist that nobody knows; nothing of it is needed in the cart.
    IN_DOUBT = (Status.SOUGHT, Status.NEEDS_PERSON)
    UNSETTLED = (*HAS_CART, *IN_DOUBT)
    # Whose reservations nobody else may buy for.
    BUYING = (*UNSETTLED, Status.MADE)
    ALLOWED = {
        Status.OPENED: (Status.FILLING, Status.GIVEN_UP, Status.NEEDS_PERSON),
        Status.FILLING: (
            Status.OPENED,
            Status.SUBMITTING,
            Status.GIVEN_UP,
            Status.NEEDS_PERSON,
            Status.MADE,
        ),
        Status.SUBMITTING: (
            Status.MADE,
            Status.GIVEN_UP,
            Status.NEEDS_PERSON,
            Status.FILLING,
            Status.SOUGHT,
        ),
        Status.SOUGHT: (Status.MADE, Status.GIVEN_UP, Status.NEEDS_PERSON),
        Status.NEEDS_PERSON: (Status.MADE, Status.GIVEN_UP, Status.SUBMITTING),
        Status.MADE: (),
        Status.GIVEN_UP: (),
    }

    # One account has one cart: what the constraint below counts by.
    account = models.CharField(_("account"), max_length=40, default="alstyle")
    status = models.CharField(
        _("status"), max_length=12, choices=Status.choices, default=Status.OPENED
    )
    reservations = models.ManyToManyField(
        Reservation, verbose_name=_("reservations"), related_name="purchases"
    )
    # Kaspi's codes of the orders it is for, as they were sent along.
    reference = models.CharField(_("reference"), max_length=400)
    # [["70311", 2, 1420], ...]: article, pieces, our stored cost of one.
    lines = models.JSONField(_("lines"), default=list)
    sum_kzt = models.IntegerField(_("sum, ₸"), null=True, blank=True)
    cart_before = models.JSONField(_("cart before"), null=True, blank=True)
    cart_after = models.JSONField(_("cart after"), null=True, blank=True)
    # {"70311": "1204 1795975355"}: by which marks its rows were known when put in.
    cart_marks = models.JSONField(_("marks of its rows"), default=dict, blank=True)
    # Readings of the cart since the last submit: what the witness said.
    cart_since = models.JSONField(_("cart since"), default=list, blank=True)
    # Moments (ISO) at which `submit` was sent; more than one only as the design allows.
    submits = models.JSONField(_("submits"), default=list, blank=True)
    # When the last one's call ended here; blank: it did not, or its worker was lost.
    submit_ended_at = models.DateTimeField(_("submit ended"), null=True, blank=True)
    # How often the lists were searched for its order.
    looks = models.PositiveSmallIntegerField(_("looks"), default=0)
    candidates = models.JSONField(_("candidates"), default=list, blank=True)
    # Numbers that were read and are surely not its order: not read again.
    ruled_out = models.JSONField(_("ruled out"), default=list, blank=True)
    # What came back to `submit`, the moment it came, before anything was compared.
    number = models.CharField(_("number answered"), max_length=40, blank=True)
    supplier_order = models.ForeignKey(
        SupplierOrder,
        verbose_name=_("order at Al-Style"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="purchases",
    )
    # "answer", "evidence", or who said that it is this order.
    adopted_by = models.CharField(_("known by"), max_length=150, blank=True)
    reason = models.TextField(_("why"), blank=True)
    # What a person said of it: "not_made" = take our rows out, nothing was bought;
    # "stop" = the same, and do not begin anew by yourself; "adopt" = the candidate
    # chosen is its order; "release" = so it is, and nobody wants its goods.
    decision = models.CharField(_("decided"), max_length=20, blank=True)
    # Which candidate that is: looked at before it counts, it may be cancelled by now.
    chosen = models.CharField(
        _("number chosen"), max_length=40, blank=True, db_default=""
    )
    # Under supervision: how far it has come, what each call showed, and since when it
    # waits for "go on" (null = it does not). It keeps the cart meanwhile.
    stage = models.CharField(
        _("watched up to"), max_length=12, choices=Stage.choices, blank=True
    )
    paused_at = models.DateTimeField(_("waits since"), null=True, blank=True)
    watched = models.JSONField(_("what was seen"), default=list, blank=True)
    created_at = models.DateTimeField(_("begun"))
    settled_at = models.DateTimeField(_("settled"), null=True, blank=True)
    # When the cart was seen without its rows after a submit: whatever stands there
    # since is somebody else's, however alike.
    cleared_at = models.DateTimeField(_("cart seen without it"), null=True, blank=True)
    # When we began to take them out: whoever died in it may have done so.
    clearing_at = models.DateTimeField(_("taken out since"), null=True, blank=True)
    verified_at = models.DateTimeField(_("order read"), null=True, blank=True)
    # When it was asked for last, and Al-Style did not show it.
    unshown_at = models.DateTimeField(_("order not shown"), null=True, blank=True)

    objects = PurchaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("purchase")
        verbose_name_plural = _("purchases")
        ordering = ["-pk"]
        permissions = [("settle_purchase", _("Can settle doubtful purchases"))]
        constraints = [
            models.UniqueConstraint(
                fields=["account"],
                name="purchase_one_has_cart",
                condition=Q(status__in=["opened", "filling", "submitting"]),
            ),
            models.CheckConstraint(
                name="purchase_status_known",
                condition=Q(
                    status__in=[
                        "opened",
                        "filling",
                        "submitting",
                        "sought",
                        "needs_person",
                        "made",
                        "given_up",
                    ]
                ),
            ),
            models.CheckConstraint(
                name="purchase_made_has_order",
                condition=~Q(status="made") | Q(supplier_order__isnull=False),
            ),
        ]
        indexes = [
            # supply.verifying: orders made that nobody has read yet.
            models.Index(
                fields=["id"],
                name="purchase_unverified",
                condition=Q(status="made", verified_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"№{self.pk} ({self.reference})"

    @property
    def quantities(self) -> dict[str, int]:
        """Map articles to the pieces put into the cart."""
        return {article: quantity for article, quantity, _cost in self.lines}

    @property
    def codes(self) -> set[str]:
        """Kaspi's codes that were sent along: the names by which its order is known."""
        return set(self.reference.split())

    def share_of(self, reservation: Reservation) -> int | None:
        """Give what a reservation's goods cost of an order that may hold others' too.

        By our stored costs where it is shared; else what the order costs.
        """
        if self.reservations.count() == 1:
            supplied = self.supplier_order
            return supplied.sum_kzt if supplied is not None else self.sum_kzt
        costs = {article: cost for article, _number, cost in self.lines}
        lines = reservation.lines.select_related("product")
        return sum(
            (costs.get(line.product.article) or 0) * line.supplied_quantity
            for line in lines
        )

    @property
    def first_order(self) -> Order | None:
        first = self.reservations.select_related("order").order_by("pk").first()
        return first.order if first is not None else None

    @property
    def is_unsettled(self) -> bool:
        return self.status in self.UNSETTLED

    @property
    def may_be_bought(self) -> bool:
        """Tell whether an order of it may exist."""
        return bool(self.submits)

    @property
    def foreign_goods(self) -> dict[str, int]:
        """Map articles to pieces seen in the cart that nobody of ours put in."""
        ours = self.quantities
        before, after = self.cart_before or {}, self.cart_after or {}
        # What the supplier gave us as marked down is no manager's.
        more = {
            name: number
            for name, number in after.items()
            if number > ours.get(name.removesuffix(MARKDOWN), 0)
        }
        return {**before, **more}

    @property
    def was_kept_out(self) -> bool:
        """Tell whether it was given up for somebody else's goods in the cart."""
        return self.status == self.Status.GIVEN_UP and bool(self.foreign_goods)

    @property
    def first_submit_at(self) -> datetime | None:
        return datetime.fromisoformat(self.submits[0]) if self.submits else None

    @property
    def last_submit_at(self) -> datetime | None:
        return datetime.fromisoformat(self.submits[-1]) if self.submits else None

    @property
    def last_submit_left_by(self) -> datetime | None:
        """Give the moment by which the last submit had left for the supplier.

        It is noted as sent before it waits for its turn at the supplier's clock.
        """
        sent = self.last_submit_at
        if sent is None:
            return None
        return self.submit_ended_at or sent + timedelta(seconds=CLAIM_S)

    def was_seen_whole(self, *, apart: timedelta) -> bool:
        """Tell whether two readings since the last submit found just our goods.

        The last of them at least `apart` after it: whatever was under way is over by
        then, so what came to the cart later proves nothing else. Somebody's goods may
        have stood beside ours meanwhile; ours were there in each reading.
        """
        left = self.last_submit_left_by
        if left is None:
            return False
        late = [
            place
            for place, seen in enumerate(self.cart_since)
            if seen["rows"] == self.quantities
            and datetime.fromisoformat(seen["at"]) >= left + apart
        ]
        until = self.cart_since[: late[-1] + 1] if late else []
        whole = [seen for seen in until if seen["rows"] == self.quantities]
        return len(whole) > 1 and all(self.is_within(seen["rows"]) for seen in until)

    def was_seen_late(self, *, apart: timedelta) -> bool:
        """Tell whether our goods were still in the cart so long after the last submit.

        Then either submit has not worked, or it does not empty the cart.
        """
        left = self.last_submit_left_by
        return left is not None and any(
            self.is_within(seen["rows"])
            and datetime.fromisoformat(seen["at"]) >= left + apart
            for seen in self.cart_since
        )

    @property
    def was_there_last(self) -> bool:
        """Tell whether the last reading since the submit found our goods."""
        last = self.cart_since[-1:]
        return bool(last) and self.is_within(last[0]["rows"])

    @property
    def was_always_there(self) -> bool:
        """Tell whether each reading since the last submit found our goods."""
        return all(self.is_within(seen["rows"]) for seen in self.cart_since)

    @property
    def was_touched(self) -> bool:
        """Tell whether a reading since the last submit found our rows changed."""
        return not all(self.is_untouched_in(seen["rows"]) for seen in self.cart_since)

    def is_untouched_in(self, rows: Mapping[str, int]) -> bool:
        """Tell whether a cart holds each of our articles in our number."""
        return all(rows.get(a, 0) == n for a, n in self.quantities.items())

    def is_within(self, rows: Mapping[str, int]) -> bool:
        """Tell whether a cart with these pieces by article holds all of ours."""
        return all(rows.get(a, 0) >= n for a, n in self.quantities.items())


class LearnedFactQuerySet(models.QuerySet["LearnedFact"]):
    """Facts by whether somebody should look at them."""

    def changed(self) -> LearnedFactQuerySet:
        """Those that are not what they were, and nobody took note of it."""
        other = self.exclude(previous="").exclude(name__in=LearnedFact.GROWING)
        return other.filter(
            Q(noted_at__isnull=True) | Q(noted_at__lt=models.F("learned_at"))
        )


class LearnedFact(models.Model):
    """What a clear answer showed of what the supplier's contract leaves open."""

    class Name(models.TextChoices):
        SUBMIT_EMPTIES = "submit_empties", _("submit empties the cart")
        ADD_ADDS = "add_adds", _("a second add adds to the first")
        REFERENCE_SHOWN = "reference_shown", _("our reference comes back")
        DATE_FORMAT = "date_format", _("how dates are written")
        DATE_OFFSET_MIN = "date_offset_min", _("dates, minutes ahead of UTC")
        LISTED_ID = "listed_id", _("the number in lists is that of submit")
        LISTED_AFTER_S = "listed_after_s", _("a new order is listed after, s")
        LIST_ORDER = "list_order", _("in which order lists stand")
        CANCELLED_AFTER_S = "cancelled_after_s", _("a cancel shows after, s")
        STOCK_FALLS_AT = "stock_falls_at", _("visible stock falls at")
        REFUSAL_WORDS = "refusal_words", _("what a refusal says")
        ROW_MARKS = "row_marks", _("marks of the cart's rows")
        ORDERS_CHANGE = "orders_change", _("goods can be taken out of an order")
        # Not the supplier's: a person's word, for ever (supply.supervision).
        GOES_ON_ALONE = "goes_on_alone", _("purchases go on by themselves")

    # Measured or quoted, they grow with every case: a change of them is no news.
    GROWING = (Name.LISTED_AFTER_S, Name.CANCELLED_AFTER_S, Name.REFUSAL_WORDS)

    name = models.CharField(
        _("what"), max_length=40, choices=Name.choices, primary_key=True
    )
    # "yes", "no", a number or a word.
    value = models.CharField(_("value"), max_length=200)
    evidence = models.TextField(_("shown by"))
    learned_at = models.DateTimeField(_("learned"))
    # The value before, when it has changed: somebody should know.
    previous = models.CharField(_("before"), max_length=200, blank=True)
    confirmations = models.PositiveIntegerField(_("times seen"), default=1)
    # When a person took note of the last change, and who.
    noted_at = models.DateTimeField(_("noted"), null=True, blank=True)
    noted_by = models.CharField(_("noted by"), max_length=150, blank=True)

    objects = LearnedFactQuerySet.as_manager()

    class Meta:
        verbose_name = _("what is known of Al-Style")
        verbose_name_plural = _("what is known of Al-Style")
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.get_name_display()}: {self.value}"

    @property
    def is_news(self) -> bool:
        """Tell whether it changed and nobody took note; in SQL: `changed`."""
        if not self.previous or self.name in self.GROWING:
            return False
        return self.noted_at is None or self.noted_at < self.learned_at


class SupplierListing(models.Model):
    """A number seen in Al-Style's lists, ours or not, and when it was seen first.

    What was listed before a submit was sent cannot be the order it made.
    """

    number = models.CharField(_("number"), max_length=40, primary_key=True)
    first_seen_at = models.DateTimeField(_("first seen"))

    class Meta:
        verbose_name = _("number listed at Al-Style")
        verbose_name_plural = _("numbers listed at Al-Style")
        indexes = [
            # Retention: what was seen long ago.
            models.Index(fields=["first_seen_at"], name="supplierlisting_age"),
        ]

    def __str__(self) -> str:
        return self.number
