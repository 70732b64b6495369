"""The page for people: what Kaspi thinks this shop sells, and how it knows."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from sandbox.kaspi.fetching import Fetch
from sandbox.kaspi.markup import STYLE, card, grouped, moment
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
    "<tr><th>Время</th><th>Итог</th><th class='n wide'>Предложений</th>"
    "<th class='n wide'>Новых</th><th class='n wide'>Снято</th>"
    "<th class='n wide'>Размер</th></tr>"
)
OFFERS_HEAD = (
    "<tr><th>Артикул</th><th>Товар</th><th class=wide>Бренд</th>"
    "<th class=n>Цена, ₸</th><th class=n>Остаток</th></tr>"
)


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
            f"<tr><td class=sku>{moment(fetch.at)}</td>"
            f"<td><span class={css}>{words}</span>{status}"
            f"{_notes(fetch.errors, 'bad')}{_notes(fetch.warnings, 'warn')}</td>"
            f"<td class='n wide'>{grouped(fetch.offers)}</td>"
            f"<td class='n wide'>{grouped(fetch.added)}</td>"
            f"<td class='n wide'>{grouped(fetch.withdrawn)}</td>"
            f"<td class='n wide'>{grouped(-(-fetch.bytes // 1024))} КБ</td></tr>"
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
        state = f"{stock}<br><span class=warn>через {offer.preorder_days} дн.</span>"
    else:
        state = f"<span class=ok>{stock}</span>"
    low = "от " if len(set(offer.city_prices.values())) > 1 else ""
    return (
        f"<tr><td class=sku>{escape(offer.sku)}</td>"
        f"<td class=model>{escape(offer.model)}</td>"
        f"<td class=wide>{escape(offer.brand)}</td>"
        f"<td class=n>{low}{grouped(offer.price)}</td><td class=n>{state}</td></tr>"
    )
