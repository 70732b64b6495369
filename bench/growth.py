"""Draw how the benches' figures grow with the number of goods.

    BENCH_JOURNAL=growth.jsonl python bench/feed.py --offers 10000     (and so on)
    python bench/growth.py growth.jsonl docs/growth.svg

Both axes are logarithmic: what grows with the goods, and no faster, is as steep as the
grey line through its first point. Of several runs of one size the quickest counts.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from html import escape
from pathlib import Path

COLOURS = {"sqlite": "#b3541e", "postgresql": "#1f6f8b"}
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
ACROSS, WIDTH, HEIGHT = 3, 300, 220
LEFT, TOP, RIGHT, BOTTOM = 46, 30, 14, 26
Points = dict[int, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("journal", type=Path)
    parser.add_argument("picture", type=Path)
    arguments = parser.parse_args()
    lines = arguments.journal.read_text("utf-8").splitlines()
    arguments.picture.write_text(draw(read(lines)), "utf-8")


def read(lines: list[str]) -> dict[str, dict[str, Points]]:
    """Collect seconds by row, database and number of goods."""
    rows: dict[str, dict[str, Points]] = defaultdict(lambda: defaultdict(dict))
    for figure in map(json.loads, lines):
        points = rows[figure["row"]][figure["database"]]
        size, seconds = figure["size"], figure["seconds"]
        points[size] = min(seconds, points.get(size, seconds))
    return rows


def draw(rows: dict[str, dict[str, Points]]) -> str:
    height = math.ceil(len(rows) / ACROSS) * HEIGHT + 24
    box = f'viewBox="0 0 {ACROSS * WIDTH} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="sans-serif"',
        ' font-size="11">',
        f'<rect width="100%" height="{height}" fill="#fff"/>',
    ]
    for place, (database, colour) in enumerate(COLOURS.items()):
        x = LEFT + 110 * place
        parts.append(
            f'<path d="M{x} 14h22" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{x + 28}" y="18">{NAMES[database]}</text>'
        )
    for place, (name, by_database) in enumerate(rows.items()):
        x, y = place % ACROSS * WIDTH, place // ACROSS * HEIGHT + 24
        parts.append(f'<g transform="translate({x} {y})">')
        parts += _chart(name, by_database)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _chart(name: str, by_database: dict[str, Points]) -> list[str]:
    sizes = sorted({size for points in by_database.values() for size in points})
    every = [s for points in by_database.values() for s in points.values()]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))
    high = max(high, low + 1)
    first, last = math.log10(sizes[0]), math.log10(max(sizes[-1], sizes[0] * 10))

    def at(size: float, seconds: float) -> tuple[float, float]:
        across = (math.log10(size) - first) / (last - first)
        up = (math.log10(seconds) - low) / (high - low)
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        )

    parts = [f'<text x="{LEFT}" y="20" font-weight="bold">{escape(name)}</text>']
    for power in range(low, high + 1):
        x, y = at(sizes[0], 10**power)
        parts.append(
            f'<path d="M{x:.1f} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10**power:g} s'
            "</text>"
        )
    for size in sizes:
        x, _y = at(size, 10**low)
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{_short(size)}'
            "</text>"
        )
    for database, points in by_database.items():
        colour, ordered = COLOURS[database], sorted(points.items())
        start, seconds = ordered[0]
        end = min(ordered[-1][0], start * 10**high / seconds)
        straight = [at(start, seconds), at(end, seconds * end / start)]
        parts.append(_line(straight, "#bbb", 'stroke-dasharray="3 3"'))
        spots = [at(*point) for point in ordered]
        parts.append(_line(spots, colour, 'stroke-width="2"'))
        # The upper database's figures above its line, the lower one's below.
        above = seconds == max(p[start] for p in by_database.values() if start in p)
        for (x, y), (_size, took) in zip(spots, ordered, strict=True):
            anchor = "start" if x < WIDTH / 2 else "end"
            # Below a line that rises: beside it; and never below the axis.
            below = 15 if anchor == "start" else 22
            is_above = above or y + below > HEIGHT - BOTTOM
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>'
                f'<text x="{x:.1f}" y="{y + (-7 if is_above else below):.1f}" '
                f'fill="{colour}" text-anchor="{anchor}">{took:.3g}</text>'
            )
    return parts


def _line(spots: list[tuple[float, float]], colour: str, more: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" {more}/>'


def _short(size: int) -> str:
    if size < 1000:
        return str(size)
    return f"{size // 10**6} M" if size >= 10**6 else f"{size // 1000} k"


if __name__ == "__main__":
    main()
