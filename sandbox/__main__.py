"""Run both peers: `python -m sandbox --ports-file ports.json`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from pathlib import Path
from typing import TextIO

from sandbox import AlStyleServer, KaspiServer
from sandbox.audit import StockWatch, audit
from sandbox.clock import Clock
from sandbox.keeping import Keeper
from sandbox.narration import Narrator
from sandbox.personalities import personality


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    add = options.add_argument
    add("--alstyle-port", type=int, default=0, help="0 = any free port")
    add("--kaspi-port", type=int, default=0, help="0 = any free port")
    add("--alstyle-token", default="alstyle-sandbox-token")
    add("--kaspi-token", default="kaspi-sandbox-token")
    add("--merchant-id", default="QazDemo")
    add("--interval", type=float, default=5.0, help="least seconds between calls")
    add("--catalogue", metavar="FILE", help="JSON lines, plain or .gz")
    add("--oddities", action="store_true", help="add goods with hard names")
    add("--seed", type=int, default=1)
    add(
        "--personality",
        type=int,
        default=0,
        metavar="SEED",
        help="what the contracts leave open; 0 = the friendly guess",
    )
    add("--speed", type=float, default=1.0, help="how fast the sandbox's clock runs")
    add("--life-every", type=float, default=5.0, metavar="SECONDS")
    add("--life-speed", type=float, default=60.0, help="warehouse time; 0 = stands")
    add("--orders-every", type=float, default=0.0, metavar="SECONDS", help="0 = none")
    add("--orders-speed", type=float, default=1.0, help="how fast orders move on")
    add(
        "--narrate",
        action="store_true",
        help="print a line for each change of an order",
    )
    add("--watch-lag", type=float, default=120.0, help="oldest honest price list, s")
    add("--feed-url", help="the price list's address")
    add("--feed-every", type=float, default=3600.0, metavar="SECONDS")
    add("--feed-user", default="")
    add("--feed-password", default="")
    add("--ports-file", type=Path, help="where to write the addresses as JSON")
    add("--state", type=Path, metavar="FILE", help="where to keep orders and stock")
    add("--exit-with-parent", action="store_true", help="stop at the end of stdin")
    return options


def main(argv: list[str] | None = None) -> int:
    """Serve until Ctrl-C or, when asked, until stdin ends."""
    options = parser().parse_args(argv)
    clock = Clock(speed=options.speed)
    alstyle, kaspi = build(options, clock)
    keeper = Keeper(options.state, alstyle, kaspi) if options.state else None
    if keeper is not None:
        _say(keeper.load(), file=sys.stderr)
    judge(alstyle, kaspi, lag_s=options.watch_lag)
    stop = threading.Event()
    if options.exit_with_parent:
        threading.Thread(target=_wait_for_eof, args=(stop,), daemon=True).start()
    with alstyle, kaspi:
        if keeper is not None:
            keeper.keep()
        if options.life_speed > 0:
            moved_s = options.life_every * options.life_speed
            alstyle.every(options.life_every, lambda: alstyle.tick(moved_s))
        if options.narrate:
            narrator = Narrator(alstyle, kaspi, say=_say)
            kaspi.every(1.0, narrator.turn)
        announce(alstyle, kaspi, options.ports_file)
        try:
            while not stop.wait(0.5):
                continue
        except KeyboardInterrupt:
            return 0
        finally:
            if keeper is not None:
                keeper.save()
    return 0


def build(
    options: argparse.Namespace, clock: Clock
) -> tuple[AlStyleServer, KaspiServer]:
    chosen = personality(options.personality)
    if options.personality:
        _say(chosen.shown(), file=sys.stderr)
    alstyle = AlStyleServer(
        token=options.alstyle_token,
        interval_s=options.interval,
        port=options.alstyle_port,
        seed=options.seed,
        catalogue=options.catalogue,
        oddities=options.oddities,
        clock=clock,
        life_speed=options.orders_speed,
        **chosen.alstyle,
    )
    kaspi = KaspiServer(
        token=options.kaspi_token,
        merchant_id=options.merchant_id,
        feed_url=options.feed_url,
        feed_every_s=options.feed_every,
        feed_user=options.feed_user,
        feed_password=options.feed_password,
        orders_every_s=options.orders_every or None,
        port=options.kaspi_port,
        seed=options.seed,
        clock=clock,
        life_speed=options.orders_speed,
        **chosen.kaspi,
    )
    return alstyle, kaspi


def judge(alstyle: AlStyleServer, kaspi: KaspiServer, *, lag_s: float) -> None:
    """Put the audits of both books into Kaspi's control API."""
    watch = StockWatch(alstyle, kaspi, lag_s=lag_s)
    kaspi.controls |= {
        "audit": lambda: audit(
            alstyle.book(),
            kaspi.book(),
            foreign_touched=len(alstyle.cart.foreign_touched),
            multiple_of=lambda article: _multiple(alstyle, article),
        ).as_dict(),
        "stock-watch": watch.as_dict,
    }


def _multiple(alstyle: AlStyleServer, article: int) -> int:
    good = alstyle.goods.get(article)
    return (good.multiplicity if good is not None else None) or 1


def announce(alstyle: AlStyleServer, kaspi: KaspiServer, path: Path | None) -> None:
    """Write the addresses to `path`, whole or not at all; without one, print them."""
    addresses = {
        "alstyle_url": alstyle.url,
        "kaspi_url": kaspi.url,
        "kaspi_page_url": kaspi.page_url,
        "alstyle_control_url": alstyle.root_url,
        "kaspi_control_url": kaspi.root_url,
        "pid": os.getpid(),
    }
    if path is not None:
        draft = path.with_name(path.name + ".part")
        draft.write_text(json.dumps(addresses), encoding="utf-8")
        draft.replace(path)
    else:
        print(json.dumps(addresses), flush=True)


def _say(line: str, *, file: TextIO | None = None) -> None:
    out = file or sys.stdout
    encoding = out.encoding or "utf-8"
    print(line.encode(encoding, "replace").decode(encoding), file=out, flush=True)


def _wait_for_eof(stop: threading.Event) -> None:
    while sys.stdin.buffer.read(1024):
        continue
    stop.set()


if __name__ == "__main__":
    raise SystemExit(main())
