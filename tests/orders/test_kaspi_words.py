from __future__ import annotations

import pytest
from django.utils import translation

from orders.kaspi.words import WORDS, said
from orders.models import Order, SupplierOrder


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_word_the_bridge_knows_is_said_in_the_staffs_language(language):
    with translation.override(language):
        for word in (*WORDS, *Order.STATES, *Order.STATUSES):
            assert "_" not in said(word), word
            assert said(word) != word, word
            if language == "ru":
                assert not said(word).replace("Kaspi", "").isascii(), word


def test_an_unknown_word_is_shown_as_it_came():
    assert said("BRAND_NEW_STATUS") == "BRAND_NEW_STATUS"
    assert SupplierOrder(status="XX").status_name == "XX"
    with translation.override("en"):
        assert SupplierOrder(status="SV").status_name == "ready to ship"
