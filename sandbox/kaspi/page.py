"""The page for people: what Kaspi thinks this shop sells, and how it knows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

from sandbox.clock import ALMATY
from sandbox.kaspi.fetching import Fetch
from sandbox.kaspi.pricelist import Offer

if TYPE_CHECKING:
    from sandbox.kaspi.server import KaspiServer

OFFERS_SHOWN = 500
FETCHES_SHOWN = 10
OUTCOMES = {
    "loaded": ("ok", "загружен"),
    "unchanged": ("quiet", "без изменений"),
    "failed": ("bad", "не скачан"),
    "refused": ("bad", "отклонён"),
}

FETCHES_HEAD = (
    "<tr><th>Время</th><th>Итог</th><th class=n>Предложений</th>"
    "<th class='n wide'>Новых</th><th class='n wide'>Снято</th>"
    "<th class='n wide'>Размер</th></tr>"
)
OFFERS_HEAD = (
    "<tr><th>Артикул</th><th>Товар</th><th class=wide>Бренд</th>"
    "<th class=n>Цена, ₸</th><th class=n>Остаток</th></tr>"
)
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
.quiet{color:var(--soft)}.model{overflow-wrap:anywhere;min-width:150px}
.errors{margin:4px 0 0;padding-left:18px}
@media (max-width:560px){.wide{display:none}th,td{padding:7px 8px}
body{font-size:14px}}
"""


def shop_page(peer: KaspiServer) -> str:
    """Return the page as HTML."""
    picture = dict(peer.picture)
    fetches = list(peer.fetches)
    parts = [
        "<!doctype html><html lang=ru><head><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width,initial-scale=1">',
        "<meta http-equiv=refresh content=15>",
        f"<title>Kaspi (песочница): {escape(peer.merchant_id)}</title>",
        f"<style>{STYLE}</style></head><body>",
        f"<header><div><h1>Витрина магазина {escape(peer.merchant_id)}</h1>",
        "<p>Песочница: так Kaspi видит прайс-лист этого магазина</p></div></header>",
        "<main>",
        _cards(picture, fetches),
        *peer.page_sections(),
        "<h2>Загрузки прайс-листа</h2>",
        _fetches(fetches),
        "<h2>Предложения</h2>",
        _offers(picture),
        "</main></body></html>",
    ]
    return "".join(parts)


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


def _cards(picture: dict[str, Offer], fetches: list[Fetch]) -> str:
    on_sale = sum(1 for offer in picture.values() if offer.available)
    preorder = sum(1 for o in picture.values() if o.available and o.preorder_days)
    bad = sum(1 for fetch in fetches if fetch.outcome in ("failed", "refused"))
    last = fetches[-1] if fetches else None
    css, words = OUTCOMES[last.outcome] if last else ("quiet", "ещё не было")
    when = f"последняя загрузка, {moment(last.at)}" if last else "последняя загрузка"
    cards = [
        card(grouped(on_sale), "в продаже", "ok" if on_sale else "quiet"),
        card(grouped(len(picture) - on_sale), "в списке, но не продаются"),
        card(grouped(preorder), "из них под заказ"),
        card(words, when, css),
        card(grouped(bad), "неудачных загрузок", "bad" if bad else "quiet"),
    ]
    return f"<h2>Сейчас</h2><div class=cards>{''.join(cards)}</div>"


def _fetches(fetches: list[Fetch]) -> str:
    if not fetches:
        return "<p class=quiet>Прайс-лист ещё не скачивали.</p>"
    rows = [FETCHES_HEAD]
    for fetch in reversed(fetches[-FETCHES_SHOWN:]):
        css, words = OUTCOMES[fetch.outcome]
        status = f" <span class=quiet>{fetch.status}</span>" if fetch.status else ""
        rows.append(
            f"<tr><td>{moment(fetch.at)}</td>"
            f"<td><span class={css}>{words}</span>{status}"
            f"{_notes(fetch.errors, 'bad')}{_notes(fetch.warnings, 'warn')}</td>"
            f"<td class=n>{grouped(fetch.offers)}</td>"
            f"<td class='n wide'>{grouped(fetch.added)}</td>"
            f"<td class='n wide'>{grouped(fetch.withdrawn)}</td>"
            f"<td class='n wide'>{grouped(fetch.bytes // 1024)} КБ</td></tr>"
        )
    return f"<div class=box><table>{''.join(rows)}</table></div>"


def _notes(lines: Iterable[str], css: str) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="errors {css}">{items}</ul>' if items else ""


def _offers(picture: dict[str, Offer]) -> str:
    if not picture:
        return "<p class=quiet>На витрине пока пусто.</p>"
    rows = [OFFERS_HEAD]
    ordered = sorted(picture.values(), key=lambda offer: not offer.available)
    rows += [_offer_row(offer) for offer in ordered[:OFFERS_SHOWN]]
    more = len(picture) - OFFERS_SHOWN
    tail = f"<p class=quiet>и ещё {grouped(more)}</p>" if more > 0 else ""
    return f"<div class=box><table>{''.join(rows)}</table></div>{tail}"


def _offer_row(offer: Offer) -> str:
    stock = "есть" if offer.stock is None else grouped(offer.stock)
    if not offer.available:
        state = "<span class=quiet>нет</span>"
    elif offer.preorder_days:
        state = f"{stock}<br><span class=warn>заказ {offer.preorder_days} дн.</span>"
    else:
        state = f"<span class=ok>{stock}</span>"
    low = "от " if len(set(offer.city_prices.values())) > 1 else ""
    return (
        f"<tr><td class=sku>{escape(offer.sku)}</td>"
        f"<td class=model>{escape(offer.model)}</td>"
        f"<td class=wide>{escape(offer.brand)}</td>"
        f"<td class=n>{low}{grouped(offer.price)}</td><td class=n>{state}</td></tr>"
    )
