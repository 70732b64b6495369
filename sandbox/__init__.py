"""Both peers as local HTTP servers with state and faults.

    from sandbox import AlStyleServer, KaspiServer, Clock, Control

    with AlStyleServer(token="t", interval_s=0) as supplier:
        supplier.url                         # host; /api and /cart-api hang below
    with KaspiServer(token="k", feed_url="http://…/kaspi_price_list.xml") as kaspi:
        kaspi.url                            # http://127.0.0.1:PORT/shop/api
        kaspi.page_url                       # the page for people

Both listen on loopback from construction on and serve between `start()`/`with` and
`close()`. `python -m sandbox --help` runs both in a process of their own and writes
{"alstyle_url", "kaspi_url", "kaspi_page_url", "alstyle_control_url",
"kaspi_control_url", "pid"} to `--ports-file` when both listen.

AlStyleServer(token, interval_s=5, port=0, seed=1, catalogue=FILE, shop=Shop(…),
    oddities=False, clock=Clock(…), **AlStyleSettings fields)
  .goods {article: Good}, .set_good(article, quantity=">50", price1=…, name=…),
  .add_good(article, first=False, **fields), .remove_good(article),
  .set_raw(article, **json) lays values over an element row,
  .add_raw_row(json) appends a whole element row, .set_raw_price(key, json),
  .set_category(id, left=…), .shop.raw_categories (further rows of any shape),
  .user_data.variant full|empty|expired|bare,
  .tick(seconds) moves stock and prices, .free(article): pieces no order binds.
  Cart and orders: .add_foreign_row(article, quantity), .drop_foreign_rows(),
  .cart.foreign_touched, .manager_order({article: n}, external_id=…),
  .set_order(id, status) and keep it so, .merge_orders(id, into), .book(): every
  order with lines, external_id, status, merge_with, cancel_asked, live, by.
  Switches (sandbox.alstyle.settings): cart_adds, add_refusal, adds_markdown,
  submit_short, checks_attorney, long_order_ids, stock_falls, cancel_mode,
  expire_after_s, life, life_speed…
KaspiServer(token, merchant_id="QazDemo", feed_url=None, feed_every_s=None, feed_user,
    feed_password, check_merchant_id=True, orders_every_s=None, port=0, seed=1, clock,
    **KaspiSettings)
  .fetch_now() -> Fetch(outcome loaded|unchanged|failed|refused, status, offers,
  errors…), .fetches, .picture {sku: Offer(sku, model, brand, price, city_prices,
  places, stock, available, preorder_days)}, .set_feed(url, user, password).
  Orders: .new_order([{sku, quantity, price, name, unit_type, weight, shows_offer,
  shows_product, raw}], kind=kaspi|postomat|pickup|delivery, fate=fulfil|unsigned|
  buyer_cancels_new|buyer_cancels|cancelled_in_transit|never_collected|returned,
  credit, accepted, age_s, express, preorder_days, masked_phone, shows_entries, raw,
  omit…), .generate(count) of what is on sale and left, .orders {code: KaspiOrder},
  .happen(code, event) (sandbox.kaspi.life.EVENTS), .set_order(code, **fields),
  .book(): every order with its writes, accepted, assembled_times, reason, missed.
  Switches (sandbox.kaspi.settings): the edge, the answers, the writes, the delays
  and deadlines of the orders' life, life_speed.
Both: .faults, .arrivals, .calls(method), .gaps(), .counters(), .forget_arrivals(),
    .peak_busy (most calls at once), .crashes (must stay empty), .settings /
    .change_settings(**), .clock (advance, speed). One Clock may serve both.
sandbox.audit: audit(supplier.book(), kaspi.book()) counts what was reserved once,
    twice, never or for nobody; StockWatch(supplier, kaspi, lag_s=…) finds offers of
    more than the supplier had free. sandbox.narration tells orders line by line.

Arrival: number, at (time.monotonic(), one clock for all processes of a computer),
    clock, verb, method, path, query (without the token), body, verdict (ok |
    bad-token | too-fast | no-accept | ignored), status (0 = dropped), worked (it was
    carried out, whatever was answered), faults.

Faults: peer.faults.add(kind, method="*", times=None, skip=0, probability=1.0,
    **options) -> id; clear(id, kind=, method=); active(). Several may strike at once.
    `method`: "*", "reads", "writes", a name or a comma list of names. Al-Style's are
    the contract's ("elements-pagination", "submit"…). Kaspi's reads: orders,
    order-by-code, order, entries, user, entry, product, merchant-product,
    delivery-point, point-of-service, cities, waybill; its writes: accept, assemble,
    complete, cancel, arrive, arrive-backward, entry-cancel, partial-cancel, imei.
    A call refused for its token or pace uses no fault up.
  both peers:
    throttle (variant "403"|"429"|"200", interval, retry_after)
    status (code, body=text|json, retry_after, after_work=False)
    stall (seconds, after_work=False, answer=False: closes without an answer)
    html (code=200, text, after_work=False)      garbage (body, code=200): works, lies
    drop_before_work     drop_after_work         drip (delay_s, chunk)
    redirect (code=302, location)
    truncate (share=0.5, honest=True; False = announced length, connection cut)
    wrong_types (variant strings|nulls|list|scalar|swapped)
  Al-Style's catalogue:
    vanishing (count) and appearing (count): before each page with offset > 0
    half_catalogue, empty_catalogue, shifted (by): pages overlap, short_pages (by),
    wrong_total (by), flapping (share): ">N" shows 0 in one answer,
    missing_prices (share): quantity-price lacks the first goods
  Kaspi's list of orders, on pages after the first:
    page_repeats, page_shifts (by): rows come again, page_shrinks (by): rows are lost

Control API, for servers in another process: POST JSON arguments to
    ROOT/_control/<verb>, or Control(ROOT).call(verb, **arguments); answers
    {"result": …}, 400/404 {"error": …}; GET ROOT/_control lists the verbs. Control
    calls are neither counted nor limited.
  both: fault (kind, method, times, skip, probability, options…) -> id, clear-faults
    (id, kind, method), faults, arrivals (since), forget-arrivals, counters, crashes,
    settings (names=values…), advance (seconds), speed (speed), now
  Al-Style: goods (articles), set-good (article, fields), add-good (article, fields,
    first), remove-good (article), restore-goods, add-odd-goods, set-raw (article,
    fields), add-raw-row (row), set-raw-price (key, value), set-category (id, fields),
    add-raw-category (row), clear-raw, tick (seconds), revalue (share), user-data
    (variant), cart, foreign-row (article, quantity, is_markdown), drop-foreign-rows,
    foreign-touched, manager-order (lines, external_id…), set-order (order, status),
    merge-orders (order, into), orders
  Kaspi: fetch, fetches, picture, set-feed (url, user, password), new-order (lines,
    kind, fate…), generate (count), happen (code, event), set-order (code, fields),
    orders; in `python -m sandbox` also audit and stock-watch
"""

from __future__ import annotations

from sandbox.alstyle.catalogue import Good, Shop
from sandbox.alstyle.server import AlStyleServer
from sandbox.alstyle.settings import AlStyleSettings
from sandbox.clock import Clock
from sandbox.control import Control
from sandbox.kaspi.fetching import Fetch
from sandbox.kaspi.pricelist import Offer
from sandbox.kaspi.server import KaspiServer
from sandbox.kaspi.settings import KaspiSettings
from sandbox.peer import Arrival, wait_until

__all__ = [
    "AlStyleServer",
    "AlStyleSettings",
    "Arrival",
    "Clock",
    "Control",
    "Fetch",
    "Good",
    "KaspiServer",
    "KaspiSettings",
    "Offer",
    "Shop",
    "wait_until",
]
