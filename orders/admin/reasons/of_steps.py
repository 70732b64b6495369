"""Reasons why goods are not let go, why Kaspi did not do it, why a step got stuck."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from orders.admin.reasons.of_buying import (
    BUY_AGAIN,
    BY_HAND,
    CANCEL,
    DROP,
    REREAD,
    UNRESERVED,
)
from orders.admin.reasons.ways import Cure, by_line, by_order, by_step, is_held
from orders.models import Reason

RELEASED = by_order(
    "released",
    _(
        "Only when you have seen that Al-Style holds nothing for this order any more: "
        "the goods count as available again."
    ),
)
RELEASE_AGAIN = by_step("release-again")
RETRY = by_step("retry")
TRIM_AGAIN = by_step("trim-again")
KEPT = by_step("drop", _("The pieces stay with us; the bridge does not ask again."))
COMPARE = by_step("compare")
DONE_THERE = by_step(
    "drop", _("Kaspi's cabinet shows that it is done: the bridge forgets about it.")
)

OF_RELEASING = (
    Cure(
        reason=Reason.NOT_CANCELLED_YET,
        means=_(
            "Al-Style was asked to cancel and has not done it for hours: call its "
            "manager."
        ),
        ways=(RELEASE_AGAIN, RELEASED, DROP),
    ),
    Cure(
        reason=Reason.SHARED_ORDER,
        means=_(
            "To cancel it would take other buyers' goods away. Ask Al-Style's manager "
            "to take ours out of it."
        ),
        ways=(RELEASED, RELEASE_AGAIN, DROP),
    ),
    Cure(
        reason=Reason.FOREIGN_GOODS,
        means=_(
            "The order at Al-Style holds goods that are not this buyer's. Have ours "
            "taken out there."
        ),
        ways=(RELEASED, RELEASE_AGAIN, DROP),
    ),
    Cure(
        reason=Reason.RELEASE_REFUSED,
        means=_(
            "Al-Style does not cancel its order, in the words above. It may be on its "
            "way already: ask its manager."
        ),
        ways=(RELEASE_AGAIN, RELEASED, DROP),
    ),
    Cure(
        reason=Reason.RELEASE_BY_HAND,
        means=_(
            "The order is off, and a person had reserved its goods: only a person can "
            "let them go."
        ),
        ways=(RELEASED, DROP),
    ),
    Cure(
        reason=Reason.NOT_TRIMMED,
        means=_(
            "The buyer took pieces off after they were bought, and Al-Style did not "
            "take them out of its order. Have its manager do it, then let it be "
            "compared."
        ),
        ways=(TRIM_AGAIN, KEPT),
    ),
    Cure(
        reason=Reason.TRIM_SHARED,
        means=_(
            "The pieces that the buyer took off stand in an order with other buyers' "
            "goods, so the bridge does not touch it. Ask Al-Style's manager."
        ),
        ways=(TRIM_AGAIN, KEPT),
    ),
    Cure(
        reason=Reason.NOTHING_LEFT,
        means=_(
            "The buyer took everything off, but the order was not cancelled: its goods "
            "are still held."
        ),
        ways=(CANCEL, by_order("release"), TRIM_AGAIN, KEPT),
    ),
    Cure(
        reason=Reason.CHECK_REFUSED,
        means=_("Al-Style did not show the order that is to be compared."),
        ways=(COMPARE, DROP),
    ),
)
OF_KASPI = (
    Cure(
        reason=Reason.GOODS_GONE,
        means=_(
            "When the order was to be accepted, Al-Style no longer held its goods, or "
            "not all of them. It was not accepted: the deadline runs."
        ),
        ways=(
            by_step("retry", _("The goods are all held again."), when=is_held),
            by_order("reserve", _("The goods are ordered anew: this buys them.")),
            BY_HAND,
            UNRESERVED,
            CANCEL,
            DROP,
        ),
        wants_goods=True,
    ),
    Cure(
        reason=Reason.ACCEPT_IN_VAIN,
        means=_(
            "Kaspi said that it took the accept, several times, and still shows the "
            "order as new. Accept it in Kaspi's cabinet."
        ),
        ways=(REREAD, RETRY, CANCEL, DROP),
    ),
    Cure(
        reason=Reason.ACCEPT_REFUSED,
        means=_(
            "Kaspi refused in the words above; the deadline runs. Look at the order in "
            "Kaspi's cabinet."
        ),
        ways=(RETRY, REREAD, CANCEL, DROP),
    ),
    Cure(
        reason=Reason.ASSEMBLE_REFUSED,
        means=_("Kaspi made no waybill, in the words above."),
        ways=(RETRY, REREAD, DONE_THERE),
    ),
    Cure(
        reason=Reason.ARRIVE_REFUSED,
        means=_("Kaspi did not note that the pre-ordered goods have arrived."),
        ways=(RETRY, REREAD, DONE_THERE),
    ),
    Cure(
        reason=Reason.RETURN_REFUSED,
        means=_("Kaspi did not note that the goods are back."),
        ways=(RETRY, REREAD, DONE_THERE),
    ),
    Cure(
        reason=Reason.CODE_NOT_SENT,
        means=_("Kaspi sent the buyer no code, in the words above."),
        ways=(RETRY, REREAD, DONE_THERE),
    ),
    Cure(
        reason=Reason.WRONG_CODE,
        means=_(
            "The code is wrong or too old. Ask the buyer for it again, or have Kaspi "
            "send a new one. The goods are not handed over yet."
        ),
        ways=(
            by_order("complete", _("You enter the buyer's code once more.")),
            by_order("send-code"),
            REREAD,
            DONE_THERE,
        ),
    ),
    Cure(
        reason=Reason.CANCEL_REFUSED,
        means=_(
            "The order lives on at Kaspi. Mostly another reason is taken, or the order "
            "has gone too far to be cancelled."
        ),
        ways=(
            by_order(
                "cancel",
                _("You choose the reason anew; the buyer loses the order."),
            ),
            by_step("cancel-again"),
            REREAD,
            DROP,
        ),
    ),
    Cure(
        reason=Reason.REMOVE_REFUSED,
        means=_("The buyer's order is as it was: no piece was taken off."),
        ways=(
            by_line("remove", _("You say anew what stays and why.")),
            by_step("cut-again"),
            REREAD,
            CANCEL,
            DROP,
        ),
    ),
    Cure(
        reason=Reason.IMEI_REFUSED,
        means=_("Mostly a digit is wrong, or the device is noted for another order."),
        ways=(
            by_line("imei", _("You enter the numbers anew.")),
            RETRY,
            DONE_THERE,
        ),
    ),
    Cure(
        reason=Reason.EFFECT_UNSEEN,
        means=_(
            "The answer was lost, and what Kaspi shows of the order does not tell "
            "whether it was done. Look in Kaspi's cabinet; to ask twice does no harm."
        ),
        ways=(RETRY, DONE_THERE, REREAD),
    ),
    Cure(
        reason=Reason.NO_EFFECT,
        means=_(
            "Kaspi said that it took it, and minutes later still shows the order as it "
            "was. Look in Kaspi's cabinet; it is not sent again by itself."
        ),
        ways=(
            REREAD,
            RETRY,
            by_step("cancel-again"),
            by_step("cut-again"),
            by_order("complete", _("You enter the buyer's code once more.")),
            DONE_THERE,
        ),
    ),
    Cure(
        reason=Reason.NO_WAYBILL_SEEN,
        means=_(
            "Kaspi was asked to assemble, and no waybill has come. If Kaspi's cabinet "
            "shows one, read the order again; sent again, it would get a second one."
        ),
        ways=(REREAD, by_step("assemble-anew"), by_step("retry"), DONE_THERE),
    ),
)
AGAIN = (
    BUY_AGAIN,
    by_step("look-again"),
    RELEASE_AGAIN,
    by_step("cancel-again"),
    by_step("cut-again"),
    TRIM_AGAIN,
    COMPARE,
    RETRY,
)
OF_ANY = (
    Cure(
        reason=Reason.TRIED_IN_VAIN,
        means=_(
            "The other side answers, but each time not as it should; what it said last "
            "stands above. When it is well again, let it be tried anew."
        ),
        ways=(
            *AGAIN,
            by_step("anew"),
            BY_HAND,
            RELEASED,
            UNRESERVED,
            REREAD,
            CANCEL,
            DROP,
        ),
    ),
    Cure(
        reason=Reason.FAULT,
        means=_(
            "This is an error in the bridge: tell whoever looks after it, with the "
            "words above. Until then do the step by hand."
        ),
        ways=(
            *AGAIN,
            by_step("anew"),
            BY_HAND,
            RELEASED,
            UNRESERVED,
            REREAD,
            CANCEL,
            DROP,
        ),
    ),
    Cure(
        reason=Reason.OTHER,
        means=_("What happened stands above; the bridge goes no further by itself."),
        ways=(
            by_step("go-on"),
            by_step("go-on-buying"),
            by_step("stop"),
            by_step("go-on-alone"),
            by_step("adopt"),
            by_line("map"),
            *AGAIN,
            by_step("anew"),
            by_step("new-price"),
            by_step("assemble-anew"),
            BY_HAND,
            RELEASED,
            by_order("complete"),
            UNRESERVED,
            REREAD,
            CANCEL,
            DROP,
        ),
    ),
)
