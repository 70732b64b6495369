"""Personalities: one combination of what the contracts leave open, chosen by seed.

    personality(7).alstyle     settings of AlStyleServer that differ from the defaults
    personality(7).kaspi       … of KaspiServer
    personality(7).shown()     for people, a line for each switch

Seed 0 is the friendly one: today's defaults. The first seeds cover every value of every
switch, and as many pairs of values as there is room for; nothing else is decided by
chance, so a seed means the same everywhere.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

MINUTE_S = 60.0
UID = "30412345"
# So many are drawn for a seed, and the one that covers most new pairs is taken.
DRAWN = 60

Overrides = dict[str, Any]
# Switch → its values by name → what the value sets. The friendly value comes first.
Switches = Mapping[str, Mapping[str, Overrides]]

ALSTYLE: Switches = {
    "dates": {
        "seconds": {},
        "minutes": {"date_format": "minutes"},
        "day only": {"date_format": "day"},
        "ISO": {"date_format": "iso"},
        "ISO with zone": {"date_format": "iso-zone"},
        "empty": {"date_format": "empty"},
    },
    "zone": {
        "Almaty": {},
        "Moscow": {"date_zone": "moscow"},
        "UTC": {"date_zone": "utc"},
    },
    "lists": {
        "newest first": {},
        "oldest first": {"list_order": "oldest"},
        "shuffled": {"list_order": "shuffled"},
    },
    "listed": {
        "at once": {},
        "after 2 min": {"listed_after_s": 2 * MINUTE_S},
        "after 20 min": {"listed_after_s": 20 * MINUTE_S},
    },
    "order by number": {
        "at once": {},
        "404 for 5 min": {"order_hidden_s": 5 * MINUTE_S},
    },
    "others' orders": {
        "none": {},
        "one": {"others_per_order": 1},
        "60 now and then": {"others_per_order": 60, "others_every": 4},
    },
    "others' goods": {"other": {}, "equal": {"others_goods": "equal"}},
    "others' comments": {"none": {}, "some": {"others_comments": True}},
    "ids": {
        "short": {},
        "long": {"long_order_ids": True, "long_submit_ids": True},
        "long in lists": {"long_order_ids": True},
    },
    "external_id": {"hidden": {}, "shown": {"shows_external_id": True}},
    "comments": {"hidden": {}, "shown": {"shows_comments": True}},
    "page too far": {"empty": {}, "the last one": {"clamps_page": True}},
    "submit empties the cart": {"yes": {}, "no": {"submit_keeps_cart": True}},
    "lost submit works": {"at once": {}, "30 s later": {"late_submit_s": 30.0}},
    "second add": {"replaces": {}, "adds": {"cart_adds": "add"}},
    "marks of rows": {
        "stay": {},
        "change": {"cart_marks": "changing"},
        "change, numbers too": {"cart_marks": "renumbered"},
    },
    "numbers of rows": {"their own": {}, "the goods'": {"cart_numbers": "goods"}},
    "refused add": {
        "silent": {},
        "message": {"add_refusal": "message"},
        "http": {"add_refusal": "http"},
        "clamp": {"add_refusal": "clamp"},
        "accept": {"add_refusal": "accept"},
    },
    "cancel": {
        "at once": {},
        "after 5 min": {"cancel_mode": "later", "cancel_after_s": 5 * MINUTE_S},
        "fresh orders only": {"cancel_until": [None]},
    },
    "stock falls": {
        "at submit": {},
        "an hour later": {
            "stock_falls": "later",
            "stock_falls_after_s": 60 * MINUTE_S,
        },
        "at shipping": {"stock_falls": "shipping"},
    },
    "stock of >N": {"falls": {}, "never falls": {"plenty_falls": False}},
    "shipping dates": {
        "any": {},
        "from tomorrow": {"shipping_days": "future"},
        "not Sundays": {"shipping_days": "working"},
    },
    "too fast": {
        "403": {},
        "429": {"interval_variant": "429"},
        "200": {"interval_variant": "200"},
    },
    "newer methods": {"missing": {}, "there": {"newer_methods": True}},
}
KASPI: Switches = {
    "uid": {"not needed": {}, "needed": {"merchant_uid": UID}},
    "code alone": {"refused": {}, "taken": {"completing_needs_send_code": False}},
    "waybill": {
        "soon": {},
        "after 3 min": {"waybill_after_s": 3 * MINUTE_S},
    },
    "waybill's link": {
        "good": {},
        "bad host": {"waybill_link": "bad-host"},
        "bad port": {"waybill_link": "bad-port"},
        "huge port": {"waybill_link": "huge-port"},
    },
    "arrived": {"works": {}, "404": {"arrived_404": True}},
    "writes show": {"at once": {}, "20 s later": {"write_lag_s": 20.0}},
    "phones": {"shown": {}, "masked": {"masked_phones": True}},
    "state SIGN_REQUIRED": {"works": {}, "400": {"sign_required_400": True}},
}

# Switch → the name of the value taken, Al-Style's and Kaspi's alike.
Choice = tuple[tuple[str, str], ...]
Pair = tuple[tuple[str, str], tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Personality:
    """What both peers are like."""

    seed: int
    choice: Choice

    @property
    def alstyle(self) -> Overrides:
        return _overrides(self.choice, ALSTYLE)

    @property
    def kaspi(self) -> Overrides:
        return _overrides(self.choice, KASPI)

    def but_friendly(self, *switches: str) -> Personality:
        """Return it with the friendly value of these switches."""
        friendly = dict(personality(0).choice)
        if unknown := set(switches) - friendly.keys():
            raise ValueError(f"no such switch: {', '.join(sorted(unknown))}")
        choice = tuple(
            (switch, friendly[switch] if switch in switches else value)
            for switch, value in self.choice
        )
        return Personality(seed=self.seed, choice=choice)

    def alstyle_in(self, scale: float) -> Overrides:
        """Return Al-Style's settings with every delay divided by `scale`."""
        return _scaled(self.alstyle, scale)

    def kaspi_in(self, scale: float) -> Overrides:
        """Return Kaspi's settings with every delay divided by `scale`."""
        return _scaled(self.kaspi, scale)

    @property
    def unfriendly(self) -> list[str]:
        """Name what differs from the defaults."""
        friendly = dict(personality(0).choice)
        return [
            f"{switch}: {value}"
            for switch, value in self.choice
            if value != friendly[switch]
        ]

    def shown(self) -> str:
        """Write it for people, a line for each switch."""
        width = max(len(switch) for switch, _ in self.choice)
        friendly = dict(personality(0).choice)
        lines = [f"personality {self.seed}"]
        for peer, switches in (("Al-Style", ALSTYLE), ("Kaspi", KASPI)):
            lines.append(peer)
            for switch, value in self.choice:
                if switch in switches:
                    mark = " " if value == friendly[switch] else "*"
                    lines.append(f" {mark} {switch:<{width}}  {value}")
        return "\n".join(lines)


def personality(seed: int) -> Personality:
    """Return the personality of a seed from 0."""
    if seed < 0:
        raise ValueError("seeds begin at 0")
    if seed == 0:
        friendly = tuple((name, next(iter(values))) for name, values in _switches())
        return Personality(seed=0, choice=friendly)
    covering = _covering()
    if seed <= len(covering):
        return Personality(seed=seed, choice=covering[seed - 1])
    return Personality(seed=seed, choice=_drawn(random.Random(seed)))


def _switches() -> Iterable[tuple[str, Mapping[str, Overrides]]]:
    return (*ALSTYLE.items(), *KASPI.items())


@cache
def _covering() -> tuple[Choice, ...]:
    """Choose combinations greedily until every pair of values has stood together."""
    values = [[(name, value) for value in of] for name, of in _switches()]
    missing: set[Pair] = {
        (one, other)
        for some, others in combinations(values, 2)
        for one in some
        for other in others
    }
    dice = random.Random(1)
    chosen: list[Choice] = []
    while missing:
        # One that is missing stands in each, so that the last pairs do not take ages.
        must = min(missing)
        drawn = [_drawn(dice, must) for _ in range(DRAWN)]
        best = max(drawn, key=lambda choice: len(missing & _pairs(choice)))
        missing -= _pairs(best)
        chosen.append(best)
    return tuple(chosen)


def _drawn(dice: random.Random, must: Iterable[tuple[str, str]] = ()) -> Choice:
    fixed = dict(must)
    return tuple(
        (name, fixed.get(name) or dice.choice(list(of))) for name, of in _switches()
    )


def _pairs(choice: Choice) -> set[Pair]:
    return set(combinations(choice, 2))


def _overrides(choice: Choice, switches: Switches) -> Overrides:
    overrides: Overrides = {}
    for switch, value in choice:
        if switch in switches:
            overrides |= switches[switch][value]
    return overrides


def _scaled(overrides: Overrides, scale: float) -> Overrides:
    return {
        name: value / scale if name.endswith("_s") else value
        for name, value in overrides.items()
    }
