"""Soak the orders under many suppliers: `bench/soak.py` once for each personality.

    python bench/personalities.py                     30 personalities, 40 orders each
    python bench/personalities.py --postgresql --seeds 3 7 12
    python bench/personalities.py --friendly "lost submit works"

Prints a line for each as it ends: what was lost, what was broken, and which share of
the orders needed a person for want of certainty. Exits with 1 when a promise was
broken.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.soaking.ground import server_url  # noqa: E402
from sandbox.personalities import personality  # noqa: E402

LONGEST_S = 600
# Column → what is added up in it, by the words of the soak's table.
FIGURES = {
    "orders": ("orders made by buyers",),
    "lost": ("  lost, carried out",),
    "once": ("orders with exactly one live supplier order",),
}
PROMISES = {
    "twice": ("bought twice",),
    "hollow": ("accepted without a living order",),
    "foreign": ("his pieces changed though read", "his pieces ordered, nobody told"),
    "unreleased": ("unreleased, nobody told",),
    "nobody's": ("of nobody, nobody told",),
    "unbought": ("not bought, nobody told",),
    "goods": ("with other goods, nobody told",),
    "others'": ("others' orders taken for ours", "others' orders cancelled"),
    "unseen": ("waited unseen", "things that did not come to an end"),
}
PEOPLE = {
    "stock": ("needed a person: no goods",),
    "cut": ("needed a person: cut, gone along, Kaspi",),
    "doubt": ("needed a person: doubt",),
    "waited": ("needed a person: waited too long",),
}
COLUMNS = FIGURES | PROMISES | {"other": ()} | PEOPLE


@dataclass(frozen=True, kw_only=True)
class Row:
    """One personality's soak; `lines` by their words, empty when it did not end."""

    seed: int
    numbers: dict[str, int]
    broken: dict[str, list[str]]
    doubts: tuple[str, ...]
    took_s: float
    failure: str = ""

    @property
    def is_kept(self) -> bool:
        return not self.broken and not self.failure

    def number(self, column: str) -> int:
        if column == "other":
            named = {words for of in PROMISES.values() for words in of}
            return len(self.broken.keys() - named)
        return sum(self.numbers.get(words, 0) for words in COLUMNS[column])

    def shown(self) -> str:
        """Write the table's row."""
        cells = [f"{self.number(name):>{len(name)}}" for name in COLUMNS]
        uncertain = self.number("doubt") + self.number("waited")
        share = 100 * uncertain / max(self.number("orders"), 1)
        verdict = self.failure or ("ok" if self.is_kept else "BROKEN")
        return (
            f"{self.seed:>4}  {'  '.join(cells)}  {share:>4.0f} %  "
            f"{self.took_s:>4.0f}  {verdict}"
        )


def heading() -> str:
    """Write the names of the columns."""
    return f"seed  {'  '.join(COLUMNS)}   share     s"


def soak(seed: int, options: argparse.Namespace, url: str) -> Row:
    """Soak under one personality, in a process of its own."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.json"
        command = [sys.executable, "bench/soak.py", "--personality", str(seed)]
        command += ["--orders", str(options.orders), "--seed", str(seed)]
        command += ["--database-url", url, "--json", str(table)]
        command += ["--scale", str(options.scale)]
        command += ["--trust-lists"] * options.trust_lists
        for switch in options.friendly:
            command += ["--friendly", switch]
        failure = ""
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=LONGEST_S,
            )
            if not table.is_file():
                failure = f"no table: {done.stdout.strip().splitlines()[-1:]}"
        except subprocess.TimeoutExpired:
            failure = f"no end within {LONGEST_S} s"
        lines = json.loads(table.read_text("utf-8")) if table.is_file() else []
    return Row(
        seed=seed,
        numbers={
            line["words"]: line["number"]
            for line in lines
            if isinstance(line["number"], int)
        },
        broken={
            line["words"]: line["examples"]
            for line in lines
            if line["is_promise"] and line["number"]
        },
        doubts=tuple(
            f"{line['number']} × {line['words'].strip()}"
            for line in lines
            if line["words"].startswith("    ")
        ),
        took_s=time.monotonic() - began,
        failure=failure,
    )


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--seeds", type=int, nargs="*", help="default: 1 to --count")
    add("--count", type=int, default=30)
    add("--orders", type=int, default=40)
    add("--jobs", type=int, default=1, help="so many at once")
    add("--scale", type=float, default=60.0, help="how much faster than life")
    add("--friendly", action="append", default=[], metavar="SWITCH")
    add("--trust-lists", action="store_true", help="a bridge that must be caught")
    add("--postgresql", action="store_true", help="start a throw-away server")
    return parser.parse_args(argv)


def main() -> int:
    """Soak them all, print the table and what was broken."""
    options = parse()
    seeds = options.seeds or list(range(1, options.count + 1))
    rows = []
    print(heading(), flush=True)
    with (
        server_url(postgresql=options.postgresql) as url,
        ThreadPoolExecutor(options.jobs) as pool,
    ):
        for row in pool.map(lambda seed: soak(seed, options, url), seeds):
            rows.append(row)
            print(row.shown(), flush=True)
            tell(row, options.friendly)
    broken = [row.seed for row in rows if not row.is_kept]
    print(f"\n{len(rows)} personalities, {len(broken)} with a broken promise {broken}")
    return 1 if broken else 0


def tell(row: Row, friendly: list[str]) -> None:
    """Say what a personality was like when it broke something or needed people."""
    if row.is_kept and not row.doubts:
        return
    print("  " + " · ".join(personality(row.seed).but_friendly(*friendly).unfriendly))
    for words, examples in row.broken.items():
        print(f"  BROKEN: {words}: {row.numbers[words]}, {'; '.join(examples)[:300]}")
    for words in row.doubts:
        print(f"  a person, {words}")


if __name__ == "__main__":
    raise SystemExit(main())
