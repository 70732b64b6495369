"""Floods of wrong passwords while Kaspi fetches the price list and staff sign in."""

from __future__ import annotations

import http.client
import multiprocessing
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.synchronize import Event
from urllib.parse import urlencode, urlsplit

import requests

from bench.embedded import embedded_bridge, sign_in
from bench.measuring import quantile

CONNECTIONS = 20
BAR_S = 0.5
FETCH_EVERY_S = 0.1
WORKER_EVERY_S = 2.0
# Told by the web server in front, as which the attacker and the worker pose.
ATTACKER, WORKER = "203.0.113.66", "198.51.100.7"


def one_name(seconds: float) -> bool:
    """20 connections try passwords for one name."""
    return _flood(seconds, is_one_name=True)


def many_names(seconds: float) -> bool:
    """20 connections try a password for each of very many names."""
    return _flood(seconds, is_one_name=False)


def _flood(seconds: float, *, is_one_name: bool) -> bool:
    with embedded_bridge() as bridge:
        quiet = _fetch_times(bridge.site, seconds=5)
        spawn = multiprocessing.get_context("spawn")
        stop, answers = spawn.Event(), spawn.Queue()
        attacker = spawn.Process(
            target=attack, args=(bridge.site, stop, answers, is_one_name)
        )
        attacker.start()
        try:
            time.sleep(2)
            worker = _Worker(bridge.site)
            worker.start()
            flooded = _fetch_times(bridge.site, seconds=seconds)
            worker.stop()
            stop.set()
            told: Counter[str] = answers.get(timeout=60)
        finally:
            stop.set()
            attacker.join(30)
    rate = sum(told.values()) / (seconds + 2)
    print(f"{CONNECTIONS} connections, {rate:.0f} attempts a second, answered {told}")
    print(f"list before the flood  {_told(quiet)}")
    print(f"list during the flood  {_told(flooded)}   (bar: p99 {BAR_S} s, all 200)")
    print(f"somebody else signs in {_told(worker.times)}")
    return quantile(flooded, 0.99) <= BAR_S and bool(worker.times)


def _told(times: list[float]) -> str:
    if not times:
        return "never"
    p50, p99 = quantile(times, 0.5), quantile(times, 0.99)
    worst = max(times)
    return f"n={len(times):<4} p50 {p50:.3f}  p99 {p99:.3f}  worst {worst:.3f} s"


def _fetch_times(site: str, *, seconds: float) -> list[float]:
    """Fetch the list as Kaspi does, each time on a connection of its own."""
    times = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        answer = requests.get(f"{site}/kaspi_price_list.xml", timeout=60)
        times.append(time.perf_counter() - began)
        answer.raise_for_status()
        time.sleep(FETCH_EVERY_S)
    return times


class _Worker(threading.Thread):
    """Signs in again and again from elsewhere, with the right password."""

    def __init__(self, site: str) -> None:
        super().__init__(daemon=True)
        self.times: list[float] = []
        self._site = site
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.is_set():
            began = time.perf_counter()
            with requests.Session() as browser:
                browser.headers["X-Forwarded-For"] = WORKER
                try:
                    sign_in(browser, self._site, username="operator")
                except requests.HTTPError:
                    # Told to come back in a few seconds.
                    self._done.wait(0.5)
                    continue
            self.times.append(time.perf_counter() - began)
            self._done.wait(WORKER_EVERY_S)

    def stop(self) -> None:
        self._done.set()
        self.join(60)


def attack(
    site: str,
    stop: Event,
    answers: multiprocessing.Queue[Counter[str]],
    is_one_name: bool,  # noqa: FBT001  (of a process)
) -> None:
    """Try wrong passwords until stopped; tells how often what was answered."""
    told: Counter[str] = Counter()
    tries = [
        threading.Thread(
            target=_try_passwords, args=(site, stop.is_set, told, is_one_name, number)
        )
        for number in range(CONNECTIONS)
    ]
    for each in tries:
        each.start()
    for each in tries:
        each.join()
    answers.put(told)


def _try_passwords(
    site: str,
    is_over: Callable[[], bool],
    told: Counter[str],
    is_one_name: bool,  # noqa: FBT001  (of a thread)
    number: int,
) -> None:
    place = urlsplit(site).netloc
    attempt = 0
    headers = {"X-Forwarded-For": ATTACKER}
    posted = {"Content-Type": "application/x-www-form-urlencoded", "Referer": site}
    while not is_over():
        connection = http.client.HTTPConnection(place, timeout=60)
        try:
            connection.request("GET", "/admin/login/", headers=headers)
            page = connection.getresponse()
            cookie = (page.getheader("Set-Cookie") or "").split(";")[0]
            found = re.search(r'middlewaretoken" value="(\w+)"', page.read().decode())
            while found and not is_over():
                attempt += 1
                name = "owner" if is_one_name else f"name-{number}-{attempt}"
                form = {"username": name, "password": f"wrong-{number}-{attempt}"}
                form |= {"csrfmiddlewaretoken": found[1], "next": "/admin/"}
                connection.request(
                    "POST",
                    "/admin/login/",
                    urlencode(form),
                    {**headers, **posted, "Cookie": cookie},
                )
                answer = connection.getresponse()
                answer.read()
                told[str(answer.status)] += 1
        except (OSError, http.client.HTTPException) as error:
            told[type(error).__name__] += 1
        finally:
            connection.close()
