"""Why a step waits for a person: one code for each cause, kept on the step."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _


class Reason(models.TextChoices):
    """Each with its sentence; what it means and leads to: orders/admin/reasons/.

    What contradicts a promise bears the name that its finding has.
    """

    # Before anything is bought.
    UNKNOWN_SKU = "unknown_sku", _("A SKU of the order is none of our products")
    NO_LINES = "no_lines", _("The order came without its goods")
    UNREADABLE = "unreadable", _("Kaspi's words about the order are unclear")
    NO_PIECES = "no_pieces", _("No pieces are left to be reserved")
    WRONG_MULTIPLE = "wrong_multiple", _("Al-Style does not supply single pieces")
    LOSES_MONEY = "loses_money", _("The order loses money at today's prices")
    EARNS_LITTLE = "earns_little", _("The order earns less than is set")
    COST_UNKNOWN = "cost_unknown", _("It is not known what the goods cost")
    EARNINGS_UNKNOWN = "earnings_unknown", _("It is not known what the order earns")
    NO_ATTORNEY = "no_attorney", _("Al-Style has no valid power of attorney")
    NO_DELIVERY = "no_delivery", _("Al-Style knows no way of delivery for us")
    # While it is bought.
    OUT_OF_STOCK = "out_of_stock", _("Al-Style has too little of the goods")
    STOCK_UNREADABLE = "stock_unreadable", _("Al-Style's stock cannot be read")
    NOT_TAKEN = "not_taken", _("Al-Style did not take the goods into the cart")
    MARKED_DOWN = "marked_down", _("Al-Style has only marked-down goods left")
    GIVES_LESS = "gives_less", _("Al-Style gives less than was asked for")
    NO_PRICE = "no_price", _("Al-Style names no price in the cart")
    PRICE_ROSE = "price_rose", _("Al-Style asks for more than expected")
    RESERVE_REFUSED = "reserve_refused", _("Al-Style refused to reserve")
    WHICH_ORDER = "which_order", _("Which order at Al-Style is ours?")
    NOT_LISTED = "not_listed", _("It is not known whether the goods were ordered")
    MIXED_CART = "mixed_cart", _("A manager's pieces are among ours in the cart")
    WATCHED = "watched", _("The purchase is watched over and waits for your word")
    STOPPED = "stopped", _("The purchase was stopped")
    NUMBER_UNFIT = "number_unfit", _("The order named at Al-Style does not fit")
    AFTER_RESTORE = (
        "after_restore",
        _("Whether the goods were bought before the restore is not known"),
    )
    SUPPLIER_CANCELLED = "supplier_cancelled", _("Al-Style cancelled our order")
    # When goods are let go.
    NOT_CANCELLED_YET = "not_cancelled_yet", _("Al-Style has not cancelled it yet")
    SHARED_ORDER = "shared_order", _("Al-Style's order holds other orders' goods too")
    FOREIGN_GOODS = "foreign_goods", _("Somebody's goods are in Al-Style's order")
    RELEASE_REFUSED = "release_refused", _("Al-Style refused to release the goods")
    RELEASE_BY_HAND = "release_by_hand", _("Reserved by hand: release it by hand")
    NOT_TRIMMED = "not_trimmed", _("Al-Style's order holds more than is wanted")
    TRIM_SHARED = "trim_shared", _("What is too much is in a shared order")
    NOTHING_LEFT = "nothing_left", _("Nothing is left in the buyer's order")
    CHECK_REFUSED = "check_refused", _("Al-Style did not show its order")
    # At Kaspi.
    GOODS_GONE = "goods_gone", _("The goods are no longer held at Al-Style")
    ACCEPT_IN_VAIN = "accept_in_vain", _("Kaspi confirmed the accept and did nothing")
    ACCEPT_REFUSED = "accept_refused", _("Kaspi refused the accept")
    ASSEMBLE_REFUSED = "assemble_refused", _("Kaspi refused the assembling")
    ARRIVE_REFUSED = "arrive_refused", _("Kaspi did not take the arrival")
    RETURN_REFUSED = "return_refused", _("Kaspi did not take the return")
    CODE_NOT_SENT = "code_not_sent", _("Kaspi did not send the buyer a code")
    WRONG_CODE = "wrong_code", _("Kaspi did not take the buyer's code")
    CANCEL_REFUSED = "cancel_refused", _("Kaspi refused to cancel the order")
    REMOVE_REFUSED = "remove_refused", _("Kaspi refused to take pieces off")
    IMEI_REFUSED = "imei_refused", _("Kaspi did not take the IMEI")
    EFFECT_UNSEEN = "effect_unseen", _("Kaspi does not show whether it was done")
    NO_EFFECT = "no_effect", _("Kaspi confirmed it and did nothing")
    NO_WAYBILL_SEEN = "no_waybill_seen", _("No waybill came of the assembling")
    # Of any step.
    TRIED_IN_VAIN = "tried_in_vain", _("It was tried many times in vain")
    FAULT = "fault", _("The bridge itself fails at it")
    OTHER = "other", _("The bridge needs your decision")
    # Findings.
    NOT_RELEASED = "not_released", _("The order is called off, its goods are held")
    OPEN_OF_ENDED = "open_of_ended", _("The order has ended, its goods are reserved")
    NO_GOODS = "no_goods", _("No goods are reserved for the order")
    ORDER_LINES = "order_lines", _("The order wants other goods than are reserved")
    PURCHASE_LINES = "purchase_lines", _("Other goods were bought than are reserved")
    SUPPLIER_LINES = "supplier_lines", _("Al-Style's order has other goods than ours")
    OTHER_NUMBER = "other_number", _("The purchase is kept under another number")
    BOUGHT_TWICE = "bought_twice", _("The goods were bought twice")
    NOT_HELD = "not_held", _("The goods were bought and are held for nobody")
    TOO_LONG = "too_long", _("Something waits for too long")
    NOBODYS = "nobodys", _("An order at Al-Style bears this order's code")
    GIVEN_UP = "given_up", _("An order at Al-Style fits a purchase given up")
    STILL_LIVE = "still_live", _("The released order is alive at Al-Style")
    NOT_TAKEN_IN = "not_taken_in", _("Kaspi has an order that is unknown here")
    NOT_SHOWN = "not_shown", _("Kaspi no longer shows this order")
    UNKNOWN_STATE = "unknown_state", _("Kaspi shows the order in an unknown state")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a person decides: the code, and what there is to say of this case."""

    reason: Reason
    text: str
