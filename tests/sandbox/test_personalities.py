from __future__ import annotations

from itertools import combinations

import pytest

from sandbox import AlStyleServer, AlStyleSettings, KaspiServer, KaspiSettings
from sandbox.__main__ import build, parser
from sandbox.clock import Clock
from sandbox.personalities import ALSTYLE, KASPI, personality

FIRST = range(1, 31)
VALUES = [
    [(switch, value) for value in values]
    for switch, values in {**ALSTYLE, **KASPI}.items()
]


def test_thirty_personalities_cover_every_value_of_every_switch():
    met = {pair for seed in FIRST for pair in personality(seed).choice}
    assert met == {pair for values in VALUES for pair in values}


def test_thirty_personalities_cover_nearly_all_pairs_of_values():
    wanted = {
        (one, other)
        for some, others in combinations(VALUES, 2)
        for one in some
        for other in others
    }
    met = {pair for seed in FIRST for pair in combinations(personality(seed).choice, 2)}
    assert len(met & wanted) / len(wanted) > 0.97
    for seed in range(31, 61):
        met |= set(combinations(personality(seed).choice, 2))
    assert met >= wanted


def test_a_seed_means_the_same_everywhere_and_no_two_are_equal():
    assert personality(7) == personality(7)
    assert personality(10**9) == personality(10**9)
    chosen = [personality(seed).choice for seed in range(61)]
    assert len(set(chosen)) == len(chosen)
    with pytest.raises(ValueError, match="begin at 0"):
        personality(-1)


def test_the_friendly_one_is_what_the_defaults_are():
    friendly = personality(0)
    assert AlStyleSettings(**friendly.alstyle) == AlStyleSettings()
    assert KaspiSettings(**friendly.kaspi) == KaspiSettings()
    assert friendly.unfriendly == []


@pytest.mark.parametrize("seed", FIRST)
def test_both_servers_take_a_personality(seed):
    chosen = personality(seed)
    alstyle = AlStyleServer(interval_s=0, **chosen.alstyle)
    kaspi = KaspiServer(**chosen.kaspi)
    for peer, overrides in ((alstyle, chosen.alstyle), (kaspi, chosen.kaspi)):
        assert {n: getattr(peer.settings, n) for n in overrides} == overrides
        peer.close()


def test_every_switch_sets_what_its_values_say():
    for switches, settings in ((ALSTYLE, AlStyleSettings), (KASPI, KaspiSettings)):
        for switch, values in switches.items():
            friendly, *others = values.values()
            assert settings(**friendly) == settings(), switch
            for value in others:
                assert settings(**value) != settings(), switch


def test_delays_are_scaled_and_nothing_else():
    seeds = (personality(seed) for seed in FIRST)
    late = next(p for p in seeds if p.alstyle.get("listed_after_s") == 1200)
    assert late.alstyle_in(60)["listed_after_s"] == 20
    assert {
        name: value
        for name, value in late.alstyle_in(60).items()
        if not name.endswith("_s")
    } == {n: v for n, v in late.alstyle.items() if not n.endswith("_s")}


def test_it_is_shown_for_people():
    text = personality(5).shown()
    assert text.startswith("personality 5\nAl-Style\n")
    assert len(text.splitlines()) == 3 + len(VALUES)
    for difference in personality(5).unfriendly:
        switch, value = difference.split(": ")
        assert f" * {switch}" in text
        assert value in text


def test_the_command_takes_a_personality(capsys):
    alstyle, kaspi = build(parser().parse_args(["--personality", "5"]), Clock())
    chosen = personality(5)
    assert alstyle.settings.date_zone == chosen.alstyle["date_zone"] != "almaty"
    assert capsys.readouterr().err.strip() == chosen.shown().strip()
    alstyle.close()
    kaspi.close()
