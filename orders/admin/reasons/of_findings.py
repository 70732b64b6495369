"""What contradicts a promise, and what leads out of it."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from orders.admin.reasons.of_buying import BY_HAND, CANCEL, REREAD, UNRESERVED
from orders.admin.reasons.of_steps import COMPARE, RELEASED, TRIM_AGAIN
from orders.admin.reasons.ways import Cure, by_order, by_step
from orders.models import Reason

RIGHT_SO = by_step(
    "drop", _("You have seen to it and say why: the bridge does not ask again.")
)
RELEASE = by_order("release")

OF_FINDINGS = (
    Cure(
        reason=Reason.NOT_RELEASED,
        means=_(
            "The buyer will not get the goods, and nobody asked Al-Style to let them "
            "go: they cost money and are missing from the shop."
        ),
        ways=(RELEASE, RELEASED, COMPARE, RIGHT_SO),
    ),
    Cure(
        reason=Reason.OPEN_OF_ENDED,
        means=_(
            "The order is over, and its goods still count as reserved: as many pieces "
            "are missing from the shop."
        ),
        ways=(RELEASE, RELEASED, COMPARE, RIGHT_SO),
    ),
    Cure(
        reason=Reason.NO_GOODS,
        means=_(
            "The buyer waits for the goods, and nothing is bought for this order. "
            "If you have them on your shelf, say so."
        ),
        ways=(
            by_order(
                "reserve", _("The goods are ordered at Al-Style: this buys them.")
            ),
            BY_HAND,
            CANCEL,
            RIGHT_SO,
        ),
        wants_goods=True,
    ),
    Cure(
        reason=Reason.ORDER_LINES,
        means=_(
            "The buyer's order was changed after the goods were bought. Have "
            "Al-Style's order made the same; what it has shipped stays with you."
        ),
        ways=(by_step("trim"), COMPARE, RIGHT_SO),
    ),
    Cure(
        reason=Reason.PURCHASE_LINES,
        means=_(
            "What was put into the cart is not what this order needs: look at the "
            "purchase below."
        ),
        ways=(COMPARE, RIGHT_SO),
    ),
    Cure(
        reason=Reason.SUPPLIER_LINES,
        means=_(
            "A manager's goods may have gone along, or a piece is missing. Have it put "
            "right at Al-Style, then compare again."
        ),
        ways=(COMPARE, TRIM_AGAIN, RIGHT_SO),
    ),
    Cure(
        reason=Reason.OTHER_NUMBER,
        means=_(
            "Al-Style answered one number, and the purchase is kept under another: one "
            "of the two may be an order nobody knows of. Look in Al-Style's portal."
        ),
        ways=(COMPARE, RIGHT_SO),
    ),
    Cure(
        reason=Reason.BOUGHT_TWICE,
        means=_(
            "Two orders at Al-Style were made for this buyer. Cancel one of them in "
            "Al-Style's portal, then compare again."
        ),
        ways=(COMPARE, RIGHT_SO),
    ),
    Cure(
        reason=Reason.NOT_HELD,
        means=_(
            "An order at Al-Style was made for this buyer, and none of our "
            "reservations is it. Cancel it in Al-Style's portal, or keep the goods."
        ),
        ways=(COMPARE, RIGHT_SO),
    ),
    Cure(
        reason=Reason.TOO_LONG,
        means=_(
            "Something of this order has not moved for far longer than it should; what "
            "it is stands above."
        ),
        ways=(
            COMPARE,
            by_order("reread"),
            RELEASED,
            BY_HAND,
            UNRESERVED,
            CANCEL,
            RIGHT_SO,
        ),
    ),
    Cure(
        reason=Reason.NOBODYS,
        means=_(
            "It bears this buyer's code, and none of our reservations is it. Cancel it "
            "in Al-Style's portal, or let it hold the goods."
        ),
        ways=(
            by_order("by-hand", _("You give its number: it holds the goods then.")),
            COMPARE,
            RIGHT_SO,
        ),
    ),
    Cure(
        reason=Reason.GIVEN_UP,
        means=_(
            "It has just what a purchase of ours was to buy, which seemed to have "
            "failed. Look in Al-Style's portal whether it is ours."
        ),
        ways=(
            by_order("by-hand", _("You give its number: it holds the goods then.")),
            COMPARE,
            RIGHT_SO,
        ),
    ),
    Cure(
        reason=Reason.STILL_LIVE,
        means=_(
            "Its goods were called released, but Al-Style still holds and may ship "
            "them. Cancel it in Al-Style's portal."
        ),
        ways=(COMPARE, RIGHT_SO),
    ),
    Cure(
        reason=Reason.NOT_SHOWN,
        means=_(
            "Several readings in a row did not show it, under neither its code nor its "
            "id. Look in Kaspi's cabinet what became of it."
        ),
        ways=(
            by_order(
                "close",
                _(
                    "You say whether the goods are released or kept; the order leaves "
                    "the open ones. If Kaspi shows it again, it opens by itself."
                ),
            ),
            REREAD,
            RIGHT_SO,
        ),
    ),
    Cure(
        reason=Reason.UNKNOWN_STATE,
        means=_(
            "Kaspi has a word for it that is new to the bridge, which does nothing "
            "more for the order by itself. Tell whoever looks after the bridge, too."
        ),
        ways=(REREAD, RELEASE, RELEASED, RIGHT_SO),
    ),
    # It has no order here, so no card: the page of contradictions tells of it.
    Cure(
        reason=Reason.NOT_TAKEN_IN,
        means=_("Look at the readings of orders: what they say tells why."),
        ways=(),
    ),
)
