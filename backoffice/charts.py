"""Draws small charts as inline SVG; all text is HTML around it, so it never shrinks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from backoffice.formatting import grouped

# CSS classes written here are dressed in static/bridge/admin/charts.css.
WIDTH = 600
HEIGHT = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One day of a bar chart; no value means that nothing is known of it."""

    label: str
    value: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A value that holds from a moment (any even scale) until the next point."""

    at: float
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What is written below the two ends of the time axis."""

    first: str
    last: str


def draw_bars(bars: Sequence[Bar], *, title: str) -> SafeString:
    """Draw one bar per day from zero, losses downwards; each tells its figure."""
    top = max((bar.value or 0 for bar in bars), default=0)
    low = min((bar.value or 0 for bar in bars), default=0)
    top, low = max(top, 0), min(low, 0)
    slot = WIDTH / max(len(bars), 1)
    shapes = format_html_join(
        "",
        "{}",
        (
            (_draw_bar(bar, left=place * slot, slot=slot, top=top, low=low),)
            for place, bar in enumerate(bars)
        ),
    )
    ends = Ends(
        first=bars[0].label if bars else "", last=bars[-1].label if bars else ""
    )
    return _framed(shapes, title=title, top=top, low=low, ends=ends)


def _draw_bar(bar: Bar, *, left: float, slot: float, top: int, low: int) -> SafeString:
    value, whole = bar.value or 0, top - low
    height = HEIGHT * abs(value) / whole if whole else 0
    if value:
        # A day with one change among days with thousands is still seen.
        height = max(height, 2)
    # Zero lies above the bottom as far as the losses reach down.
    zero = HEIGHT * top / whole if whole else HEIGHT
    upper = zero if value < 0 else zero - height
    return format_html(
        '<g><title>{}: {}</title><rect class="slot" x="{}" y="0" width="{}" '
        'height="{}"/><rect class="{}" x="{}" y="{}" width="{}" height="{}"/></g>',
        bar.label,
        grouped(bar.value),
        f"{left:.1f}",
        f"{slot:.1f}",
        HEIGHT,
        "bar loss" if value < 0 else "bar",
        f"{left + slot * 0.12:.1f}",
        f"{upper:.1f}",
        f"{slot * 0.76:.1f}",
        f"{height:.1f}",
    )


def draw_stairs(
    points: Sequence[Point], *, title: str, ends: Ends, from_zero: bool, unit: str = ""
) -> SafeString:
    """Draw how a value changed: it holds until the next point, the last one to now."""
    values = [point.value for point in points] or [0]
    top, low = max(values), 0 if from_zero else min(values)
    if not from_zero and top > low:
        low = max(low - (top - low) // 5, 0)
    first, last = points[0].at, points[-1].at
    width, height = (last - first) or 1.0, (top - low) or 1
    path: list[str] = []
    for number, point in enumerate(points):
        x = WIDTH * (point.at - first) / width
        y = HEIGHT - HEIGHT * (point.value - low) / height
        path.append(f"H{x:.1f}V{y:.1f}" if number else f"M{x:.1f} {y:.1f}")
    line = "".join(path) + f"H{WIDTH}"
    area = f"{line}V{HEIGHT}H0Z"
    shapes = format_html(
        '<path class="area" d="{}"/><path class="line" d="{}"/>', area, line
    )
    return _framed(shapes, title=title, top=top, low=low, ends=ends, unit=unit)


def _framed(
    shapes: SafeString, *, title: str, top: int, low: int, ends: Ends, unit: str = ""
) -> SafeString:
    return format_html(
        '<figure class="chart"><figcaption>{}</figcaption>'
        '<div class="plot"><div class="scale num" aria-hidden="true"><span>{}</span>'
        '<span>{}</span></div><svg viewBox="0 0 {} {}" preserveAspectRatio="none" '
        'role="img" aria-label="{}">{}</svg></div>'
        '<div class="ends"><span>{}</span><span>{}</span></div></figure>',
        title,
        grouped(top) + unit,
        grouped(low) + unit,
        WIDTH,
        HEIGHT,
        title,
        shapes,
        ends.first,
        ends.last,
    )
