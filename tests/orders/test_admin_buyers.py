from __future__ import annotations

import pytest

from orders.admin.buyers import masked_name, masked_phone, whole_phone


@pytest.mark.parametrize(
    ("phone", "shown"),
    [("7001234567", "+7 *** *** 45 67"), ("", ""), ("12345", "+7 *** ***")],
)
def test_a_masked_phone_shows_four_digits(phone, shown):
    assert masked_phone(phone) == shown


def test_a_masked_name_shows_the_initial():
    assert (masked_name("Тест Примеров"), masked_name("")) == ("Т.", "")


def test_a_whole_phone_can_be_dialled():
    assert whole_phone("7001234567") == "+7 700 123 45 67"
    assert whole_phone("12345") == "12345"
