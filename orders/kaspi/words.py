"""Kaspi's words in the staff's language."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

WORDS = {
    # The cabinet's sections.
    "NEW": _("new order"),
    "SIGN_REQUIRED": _("to be signed"),
    "PICKUP": _("pickup"),
    "DELIVERY": _("own delivery"),
    "KASPI_DELIVERY": _("Kaspi delivery"),
    "ARCHIVE": _("archive"),
    # Where an order stands.
    "APPROVED_BY_BANK": _("paid, to be accepted"),
    "ACCEPTED_BY_MERCHANT": _("accepted"),
    "ASSEMBLE": _("being assembled"),
    "ASSEMBLED": _("assembled"),
    "ARRIVED": _("arrived"),
    "COMPLETED": _("received by the buyer"),
    "CANCELLED": _("cancelled"),
    "CANCELLING": _("cancelled, on its way back"),
    "KASPI_DELIVERY_RETURN_REQUESTED": _("return asked for"),
    "RETURN_ACCEPTED_BY_MERCHANT": _("return accepted"),
    "RETURNED": _("returned to us"),
    # How it gets to the buyer, and how it is paid.
    "DELIVERY_LOCAL": _("within the town"),
    "DELIVERY_PICKUP": _("pickup"),
    "DELIVERY_REGIONAL_TODOOR": _("to the door, other town"),
    "DELIVERY_REGIONAL_PICKUP": _("pickup, other town"),
    "PREPAID": _("paid"),
    "PAY_WITH_CREDIT": _("credit"),
    # Why it was cancelled.
    "BUYER_CANCELLATION_HIMSELF": _("the buyer changed their mind"),
    "BUYER_CANCELLATION_BY_COURIER": _("the buyer refused it at the courier's"),
    "BUYER_CANCELLATION_BY_CSC": _("the buyer, by Kaspi's support"),
    "BUYER_CANCELLATION_BY_MERCHANT": _("the buyer asked the shop"),
    "BUYER_NOT_REACHABLE": _("the buyer cannot be reached"),
    "MERCHANT_OUT_OF_STOCK": _("out of stock"),
    "TIMEOUT_BUYER_PICKUP": _("the buyer did not collect it"),
    "TIMEOUT_BUYER_SIGNATURE": _("the buyer did not sign the credit"),
    "TIMEOUT_KASPI_DELIVERY": _("Kaspi did not deliver it in time"),
    "RFO_REJECTED": _("the credit was refused"),
    "TECHNICAL_PROBLEM_CANCELLATION": _("a technical problem of Kaspi's"),
}


def said(word: str) -> str:
    """Say one of Kaspi's words as staff do; one that nobody knows yet as it is."""
    return str(WORDS.get(word, word))
