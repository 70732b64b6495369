"""The look of the page for people, and its small parts."""

from __future__ import annotations

from datetime import datetime
from html import escape

from sandbox.clock import ALMATY

STYLE = """
:root{--ink:#1d2530;--soft:#66707d;--line:#e4e7eb;--paper:#fff;--back:#f4f5f7;
--red:#c8102e;--green:#14804a;--amber:#a15c00}
@media (prefers-color-scheme:dark){:root{--ink:#e8ebef;--soft:#9aa4b1;--line:#333b46;
--paper:#1c222a;--back:#12161b;--red:#ff6b7d;--green:#5fd39a;--amber:#f0b35a}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:20px 16px 48px}
header{border-bottom:3px solid var(--red);background:var(--paper)}
header div{max-width:1080px;margin:0 auto;padding:14px 16px}
h1{font-size:20px;margin:0}header p{margin:2px 0 0;color:var(--soft)}
h2{font-size:16px;margin:28px 0 10px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px}
.card{background:var(--paper);border:1px solid var(--line);border-radius:10px;
padding:12px 14px}.card b{display:block;font-size:24px;line-height:1.25}
.card span{color:var(--soft);font-size:13px}
.gap{margin-top:12px}
.box{background:var(--paper);border:1px solid var(--line);border-radius:10px;
overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{padding:8px 12px;text-align:left;border-top:1px solid var(--line);
vertical-align:top}
tr:first-child th{border-top:0}
th{font-weight:600;color:var(--soft);font-size:13px;white-space:nowrap}
td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.sku{color:var(--soft);font-variant-numeric:tabular-nums;white-space:nowrap}
.ok{color:var(--green)}.bad{color:var(--red)}.warn{color:var(--amber)}
.quiet{color:var(--soft)}.model,.errors{overflow-wrap:anywhere}
.errors{margin:4px 0 0;padding-left:18px}
@media (max-width:560px){.wide{display:none}th,td{padding:7px 6px}
body{font-size:14px}.model{font-size:13px}.model{min-width:110px}
.stack tr{display:block;border-top:1px solid var(--line);padding:8px 0}
.stack tr:first-child{display:none}.stack tr:nth-child(2){border-top:0}
.stack td{display:block;border:0;padding:1px 10px}.stack td.wide{display:none}
td:first-child,th:first-child{padding-left:10px}
td:last-child,th:last-child{padding-right:10px}}
"""


def card(value: str, label: str, css: str = "") -> str:
    """Return one figure with its caption."""
    return (
        f'<div class=card><b class="{css}">{escape(value)}</b>'
        f"<span>{escape(label)}</span></div>"
    )


def moment(timestamp: float) -> str:
    """Return an Almaty time for people."""
    return datetime.fromtimestamp(timestamp, ALMATY).strftime("%d.%m %H:%M:%S")


def grouped(number: int) -> str:
    """Return a number with thin groups of thousands."""
    return f"{number:,}".replace(",", "\u202f")
