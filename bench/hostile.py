"""What attacks do to the bridge: each is made upon a whole one, and measured.

    .venv/bin/python bench/hostile.py ATTACK [--seconds 20]

Exit status 1 when a bar was missed. Without an attack all are listed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.attacks.answers import answers
from bench.attacks.connections import half_open, large_bodies, slow_readers
from bench.attacks.logins import many_names, one_name

# By name: attacks for so many seconds, prints what it saw, says whether all bars held.
ATTACKS: dict[str, Callable[[float], bool]] = {
    "answers": answers,
    "logins": one_name,
    "logins-many-names": many_names,
    "half-open": half_open,
    "slow-readers": slow_readers,
    "large-bodies": large_bodies,
}


def main() -> int:
    told = "\n".join(f"  {name:<20} {a.__doc__}" for name, a in ATTACKS.items())
    options = argparse.ArgumentParser(
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=told
    )
    options.add_argument("attack", choices=ATTACKS)
    options.add_argument("--seconds", type=float, default=20)
    chosen = options.parse_args()
    return int(not ATTACKS[chosen.attack](chosen.seconds))


if __name__ == "__main__":
    raise SystemExit(main())
