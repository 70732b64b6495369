"""The small pieces that the staff's pages are made of: figures, times, pills."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum

from django.utils import formats, timezone
from django.utils.dateformat import format as format_date
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from plumbing.clocks import now_to_show

# 12 990 must not fall apart at a line's end.
NARROW_NO_BREAK_SPACE = "\u202f"
NOTHING = "—"


# CSS classes written here (num, faint, second, pill, steps): static/bridge/admin/.
class Tone(Enum):
    """How a state is to be taken; each has its colours in the style sheet."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    INFO = "info"
    QUIET = "quiet"


def grouped(value: int | None) -> str:
    """Write a whole number in groups of three digits."""
    if value is None:
        return NOTHING
    return f"{value:,}".replace(",", NARROW_NO_BREAK_SPACE).replace("-", "−")


def figure(value: int | None) -> SafeString:
    """Write a number so that a column of them lines up; zero and nothing are faint."""
    tone = "num" if value else "num faint"
    return format_html('<span class="{}">{}</span>', tone, grouped(value))


def money(value: int | None) -> SafeString:
    if value is None:
        return figure(None)
    return format_html('<span class="num">{}\u00a0₸</span>', grouped(value))


def gain(value: int | None, *, has_unit: bool = True) -> SafeString:
    """Write what is earned; a loss stands out."""
    if value is None or value >= 0:
        return money(value) if has_unit else figure(value)
    unit = "\u00a0₸" if has_unit else ""
    return format_html('<span class="num loss">{}{}</span>', grouped(value), unit)


def decimals(value: Decimal) -> str:
    """Write a number as the active language does, without zeros at its end."""
    shown = formats.number_format(f"{abs(value).normalize():f}", use_l10n=True)
    return f"{'−' if value < 0 else ''}{shown}"


def percents(value: Decimal | int | None) -> str:
    """Write a share as the active language does, a negative one with a minus."""
    if value is None:
        return NOTHING
    sign = "−" if value < 0 else ""
    shown = formats.number_format(abs(Decimal(value)), use_l10n=True)
    return f"{sign}{shown}\u00a0%"


def stock_text(stock: int, *, is_lower_bound: bool) -> str:
    """Write stock as the supplier does: 51 "at least" is its ">50"."""
    return f">{grouped(stock - 1)}" if is_lower_bound and stock else grouped(stock)


def pill(text: object, tone: Tone, *, hint: object = "") -> SafeString:
    """Write a state as a coloured label."""
    return format_html(
        '<span class="pill {}"{}>{}</span>',
        tone.value,
        format_html(' title="{}"', hint) if hint else "",
        text,
    )


def two_lines(first: object, second: object) -> SafeString:
    """Write the main thing with a quiet second line; the second may be blank."""
    if not second:
        return format_html("{}", first)
    return format_html('{}<span class="second">{}</span>', first, second)


def bulleted(lines: Iterable[object]) -> SafeString:
    """Write the lines as a numbered list."""
    items = format_html_join("", "<li>{}</li>", ((line,) for line in lines))
    return format_html('<ol class="steps">{}</ol>', items)


def ago(moment: datetime, *, now: datetime) -> str:
    """Say how long ago a moment was, or how far ahead it is, in one unit."""
    seconds = int((now - moment).total_seconds())
    if abs(seconds) < 45:
        return _("just now")
    words = span(timedelta(seconds=abs(seconds)))
    return (_("%(span)s ago") if seconds > 0 else _("in %(span)s")) % {"span": words}


def span(length: timedelta) -> str:
    """Say a length of time in its largest unit, as it stands before "ago"."""
    minutes = max(round(length.total_seconds() / 60), 1)
    if minutes < 60:
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    hours = round(minutes / 60)
    if hours < 48:
        return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}
    days = round(minutes / (24 * 60))
    return ngettext("%(n)d day", "%(n)d days", days) % {"n": days}


def absolute(moment: datetime, *, now: datetime) -> str:
    """Write a moment of Almaty as people do: "today, 14:05", "3 May, 09:10"."""
    local, today = timezone.localtime(moment), timezone.localtime(now).date()
    clock = format_date(local, "H:i")
    if local.date() == today:
        return _("today, %(clock)s") % {"clock": clock}
    if local.date() == today - timedelta(days=1):
        return _("yesterday, %(clock)s") % {"clock": clock}
    # Translators: a date of this year, in the format letters of Django's `date`
    day = format_date(local, "j E" if local.year == today.year else "d.m.Y")
    return f"{day}, {clock}"


def when(moment: datetime | None, *, now: datetime | None = None) -> SafeString:
    """Write a moment with its distance from now below it."""
    if moment is None:
        return format_html('<span class="faint">{}</span>', NOTHING)
    now = now or now_to_show()
    return format_html(
        '<time datetime="{}">{}<span class="second">{}</span></time>',
        timezone.localtime(moment).isoformat(timespec="seconds"),
        absolute(moment, now=now),
        ago(moment, now=now),
    )


def duration(start: datetime, end: datetime | None) -> str:
    """Say how long something took: "41 s", "3 min 20 s"."""
    if end is None:
        return NOTHING
    seconds = max((end - start).total_seconds(), 0)
    if seconds < 10:
        return _("%(s)s s") % {"s": formats.number_format(seconds, 1)}
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return _("%(s)d s") % {"s": rest}
    return _("%(m)d min %(s)d s") % {"m": minutes, "s": rest}


def file_size(size_bytes: int | None) -> str:
    if not size_bytes:
        return NOTHING
    if size_bytes < 10_000:
        return _("%(n)s B") % {"n": grouped(size_bytes)}
    return _("%(n)s kB") % {"n": grouped(round(size_bytes / 1000))}
