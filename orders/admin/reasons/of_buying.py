"""Reasons why goods are not bought, and what leads out of them."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from orders.admin.reasons.ways import (
    Cure,
    by_line,
    by_order,
    by_step,
    is_in_stock,
)
from orders.models import Reason

CANCEL = by_order(
    "cancel",
    _(
        "You choose the reason; the buyer loses the order and gets the money back. "
        "Cancelled for want of goods, it counts against the shop."
    ),
)
BY_HAND = by_order(
    "by-hand",
    _(
        "You have the goods: ordered in Al-Style's portal, by phone, or from your own "
        "shelf. The bridge then accepts the order."
    ),
)
UNRESERVED = by_order("accept-unreserved")
BUY_AGAIN = by_step("buy-again")
DROP = by_step("drop")
IF_IN_STOCK = by_step(
    "buy-again",
    _(
        "The last figures show enough again: Al-Style is asked, and the goods are "
        "bought if they are there."
    ),
    when=is_in_stock,
)
REREAD = by_order("reread", _("Kaspi may say it differently by now."))
ASK_ANEW = (BUY_AGAIN, BY_HAND, UNRESERVED, CANCEL, DROP)

BEFORE = (
    Cure(
        reason=Reason.UNKNOWN_SKU,
        means=_(
            "The buyer chose an offer whose SKU belongs to none of our products, so "
            "the bridge does not know what to buy. Say which product it is: the SKU "
            "is remembered for the orders to come."
        ),
        ways=(
            by_line(
                "map",
                _("You choose the product; then the goods are reserved by themselves."),
            ),
            REREAD,
            BY_HAND,
            CANCEL,
            DROP,
        ),
    ),
    Cure(
        reason=Reason.NO_LINES,
        means=_("Kaspi gave the order without its goods; mostly they come later."),
        ways=(REREAD, BY_HAND, CANCEL, DROP),
    ),
    Cure(
        reason=Reason.UNREADABLE,
        means=_(
            "Something in Kaspi's answer is new to the bridge or makes no sense. It "
            "buys nothing on a guess: look at the order in Kaspi's cabinet."
        ),
        ways=(REREAD, BY_HAND, CANCEL, DROP),
    ),
    Cure(
        reason=Reason.NO_PIECES,
        means=_("All pieces were taken off the order: there is nothing to buy."),
        ways=(CANCEL, REREAD, DROP),
    ),
    Cure(
        reason=Reason.WRONG_MULTIPLE,
        means=_(
            "Al-Style sells this only by the pack. Either buy a pack and keep the rest "
            '(tick "sells singly" on the product\'s page, then reserve again), or get '
            "the pieces elsewhere."
        ),
        ways=(BY_HAND, BUY_AGAIN, UNRESERVED, CANCEL, DROP),
        wants_goods=True,
    ),
    Cure(
        reason=Reason.LOSES_MONEY,
        means=_(
            "Bought now, the goods and the fees cost more than the buyer pays. The "
            "figures are below."
        ),
        ways=(
            CANCEL,
            by_step(
                "new-price",
                _("The goods are bought at a loss; the buyer keeps the order."),
            ),
            BUY_AGAIN,
            BY_HAND,
            DROP,
        ),
        wants_goods=True,
    ),
    Cure(
        reason=Reason.EARNS_LITTLE,
        means=_("It earns something, but less than the least margin that is set."),
        ways=(
            by_step(
                "new-price",
                _(
                    "The goods are bought for at most the sum that you confirm. A thin "
                    "profit is better than a cancelled order."
                ),
            ),
            BUY_AGAIN,
            BY_HAND,
            CANCEL,
            DROP,
        ),
        wants_goods=True,
    ),
    Cure(
        reason=Reason.COST_UNKNOWN,
        means=_(
            "Al-Style names no price for the goods, or one that is a placeholder. Ask "
            "its manager; when a price is there, reserve again."
        ),
        ways=(BY_HAND, BUY_AGAIN, UNRESERVED, CANCEL, DROP),
        wants_goods=True,
    ),
    Cure(
        reason=Reason.EARNINGS_UNKNOWN,
        means=_(
            "The cost is known, but not what the buyer pays or what Kaspi takes. Add a "
            "price rule for the goods, then reserve again; or decide by yourself."
        ),
        ways=(
            by_step(
                "new-price",
                _("The goods are bought for at most the sum that you confirm."),
            ),
            BUY_AGAIN,
            BY_HAND,
            CANCEL,
            DROP,
        ),
    ),
    Cure(
        reason=Reason.NO_ATTORNEY,
        means=_(
            "Without a power of attorney Al-Style makes no order. Enter a new one in "
            "its portal first."
        ),
        ways=ASK_ANEW,
    ),
    Cure(
        reason=Reason.NO_DELIVERY,
        means=_("Enter a way of delivery in Al-Style's portal first."),
        ways=ASK_ANEW,
    ),
)
WHILE = (
    Cure(
        reason=Reason.OUT_OF_STOCK,
        means=_(
            "Al-Style's cart shows fewer pieces than the buyer ordered. Offer the "
            "buyer something similar, get the goods elsewhere, or cancel in time."
        ),
        ways=(
            IF_IN_STOCK,
            CANCEL,
            BY_HAND,
            by_line("remove"),
            UNRESERVED,
            DROP,
        ),
        wants_goods=True,
    ),
    Cure(
        reason=Reason.STOCK_UNREADABLE,
        means=_(
            "Al-Style's cart does not say in figures how much of the goods it has. "
            "Nothing was bought; look in its portal whether there is enough."
        ),
        ways=(BUY_AGAIN, BY_HAND, UNRESERVED, CANCEL, DROP),
        wants_goods=True,
    ),
    Cure(
        reason=Reason.NOT_TAKEN,
        means=_(
            "Al-Style was asked to put the goods into the cart, and they are not in "
            "it; it did not say why. Mostly they are blocked or just sold."
        ),
        ways=(IF_IN_STOCK, CANCEL, BY_HAND, by_line("remove"), UNRESERVED, DROP),
        wants_goods=True,
    ),
    Cure(
        reason=Reason.MARKED_DOWN,
        means=_(
            "Only pieces with a defect are left at a lower price: the buyer ordered "
            "sound ones, so they are not bought."
        ),
        ways=(CANCEL, BY_HAND, BUY_AGAIN, UNRESERVED, DROP),
        wants_goods=True,
    ),
    Cure(
        reason=Reason.GIVES_LESS,
        means=_(
            "By its own figures Al-Style has enough, but it put fewer pieces into the "
            "cart. Perhaps it limits an order: ask its manager."
        ),
        ways=(BUY_AGAIN, BY_HAND, by_line("remove"), UNRESERVED, CANCEL, DROP),
        wants_goods=True,
    ),
    Cure(
        reason=Reason.NO_PRICE,
        means=_(
            'In Al-Style\'s cart the goods have no price ("on request"): ask its '
            "manager."
        ),
        ways=(BY_HAND, BUY_AGAIN, UNRESERVED, CANCEL, DROP),
        wants_goods=True,
    ),
    Cure(
        reason=Reason.PRICE_ROSE,
        means=_(
            "In the cart the goods are dearer than the price list said, by more than "
            "the set tolerance. Nothing was bought."
        ),
        ways=(
            by_step(
                "new-price",
                _("The goods are bought for at most the sum that you confirm."),
            ),
            BUY_AGAIN,
            BY_HAND,
            UNRESERVED,
            CANCEL,
            DROP,
        ),
        wants_goods=True,
    ),
    Cure(
        reason=Reason.RESERVE_REFUSED,
        means=_(
            "Al-Style refused, in the words above. It says nothing of the stock: the "
            "buyer's order is not cancelled for it."
        ),
        ways=ASK_ANEW,
    ),
    Cure(
        reason=Reason.WHICH_ORDER,
        means=_(
            "Al-Style's answer to our order was lost, and one of the orders below may "
            "be it. Compare them with Al-Style's portal."
        ),
        ways=(
            by_step(
                "adopt",
                _("The order that you choose holds the goods; nothing is bought."),
            ),
            by_step("anew"),
        ),
    ),
    Cure(
        reason=Reason.NOT_LISTED,
        means=_(
            "Al-Style's answer to our order was lost, and its lists show no order that "
            "could be ours. It may still have been made: look into Al-Style's portal "
            "before anything is bought again."
        ),
        ways=(by_step("look-again"), by_step("anew")),
    ),
    Cure(
        reason=Reason.AFTER_RESTORE,
        means=_(
            "The bridge's database was restored or begun anew, and what was sent just "
            "before is not in it. Look into Al-Style's portal whether the goods were "
            "ordered; buying them unseen may buy them twice."
        ),
        ways=(
            by_order(
                "by-hand",
                _(
                    "They were ordered: you give the number, and the bridge checks it "
                    "at Al-Style. Without a number it is taken that you have the goods."
                ),
            ),
            by_step("buy-again", _("They were not ordered: the goods are bought now.")),
            UNRESERVED,
            CANCEL,
            DROP,
        ),
    ),
    Cure(
        reason=Reason.MIXED_CART,
        means=_(
            "Somebody at the portal has added pieces to a row of ours, and nobody can "
            "tell them apart. Take ours out of the cart in the portal by hand."
        ),
        ways=(by_step("look-again"), by_step("anew")),
    ),
    Cure(
        reason=Reason.WATCHED,
        means=_(
            "The first purchases stop after each call, so that you see what the bridge "
            "does with real money."
        ),
        ways=(
            by_step("go-on"),
            by_step("go-on-buying"),
            by_step("stop"),
            by_step("go-on-alone"),
        ),
    ),
    Cure(
        reason=Reason.STOPPED,
        means=_("You stopped it; our goods are out of the cart, nothing was bought."),
        ways=ASK_ANEW,
    ),
    Cure(
        reason=Reason.NUMBER_UNFIT,
        means=_(
            "The order whose number you gave does not hold just these goods, or "
            "cannot be seen at Al-Style yet."
        ),
        ways=(
            by_order("by-hand", _("You give another number, or none at all.")),
            by_step("retry", _("The same number is looked up at Al-Style again.")),
            UNRESERVED,
            CANCEL,
            DROP,
        ),
    ),
    Cure(
        reason=Reason.SUPPLIER_CANCELLED,
        means=_(
            "Al-Style has cancelled the order that held the goods, and not because we "
            "asked. Ask its manager why."
        ),
        ways=(
            by_step(
                "buy-again",
                _("The goods are ordered at Al-Style anew: this buys them."),
                when=is_in_stock,
            ),
            BY_HAND,
            CANCEL,
            UNRESERVED,
            DROP,
        ),
        wants_goods=True,
    ),
)
OF_BUYING = (*BEFORE, *WHILE)
