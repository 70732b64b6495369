"""The account's records: powers of attorney, carriers, subordinates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

BIN = "000000000001"
OTHER_BIN = "000000000002"
PERSON = "Тестов Тест Тестович"


@dataclass(slots=True)
class UserData:
    """What `user-data` answers; `variant`: full | empty | expired | bare.

    empty: no records at all, as PHP says it; bare: only blank records; expired: the
    power of attorney ended yesterday.
    """

    variant: str = "full"

    def change(self, variant: str) -> str:
        if variant not in ("full", "empty", "expired", "bare"):
            raise ValueError(f"no such user-data: {variant}")
        self.variant = variant
        return variant

    def answer(self, now: datetime) -> dict[str, Any]:
        if self.variant == "empty":
            return {"status": True, "data": []}
        blank = self.variant == "bare"
        return {
            "status": True,
            "data": {
                "Доверенности": [blank_attorney()]
                if blank
                else [attorney(now, ends=self.ends(now)), blank_attorney()],
                "Транспортники": [blank_delivery()] if blank else deliveries(),
                "Подчиненные": [] if blank else {BIN: "ТОО «Тест-Покупатель»"},
                "bin": BIN,
            },
        }

    def ends(self, now: datetime) -> date:
        days = -1 if self.variant == "expired" else 180
        return now.date() + timedelta(days=days)


def _day(day: date) -> str:
    return day.strftime("%d.%m.%Y")


def attorney(now: datetime, *, ends: date) -> dict[str, Any]:
    return {
        "ФИО": PERSON,
        "ДатаВыдачи": _day(ends - timedelta(days=365)),
        "ДатаОкончания": _day(ends),
        "Номер": "Д-000017",
        "Основной": True,
        "БИН": BIN,
    }


def blank_attorney() -> dict[str, Any]:
    """Return a blank record, marked as the API marks it."""
    keys = ("ФИО", "ДатаВыдачи", "ДатаОкончания", "Номер")
    blank: dict[str, Any] = dict.fromkeys(keys, "")
    return blank | {"Основной": False, "БИН": OTHER_BIN, "empty": True}


def deliveries() -> list[dict[str, Any]]:
    """Return the ways of delivery; one main record per BIN."""
    return [
        {
            "СпособДоставки": "Самовывоз",
            "Транспортник": "",
            "Адрес": "Алматы, ул. Панфилова, 1",
            "Контакты": PERSON,
            "Телефон": "+77000000001",
            "Комментарий": "",
            "Основной": True,
            "БИН": number,
        }
        for number in (BIN, OTHER_BIN)
    ]


def blank_delivery() -> dict[str, Any]:
    keys = ("СпособДоставки", "Транспортник", "Адрес", "Контакты", "Телефон")
    blank: dict[str, Any] = dict.fromkeys((*keys, "Комментарий"), "")
    return blank | {"Основной": False, "БИН": BIN, "empty": True}
