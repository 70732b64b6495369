"""`run.py serve` of a clone, all it says, and for how long the price list was away."""

from __future__ import annotations

import itertools
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from bench.updating.published import Published

ASKED_EVERY_S = 0.05
STARTS_WITHIN_S = 240.0
STOPS_WITHIN_S = 20.0
LIST_PATH = "/kaspi_price_list.xml"


class Served:
    """A bridge that runs, as its service manager would run it."""

    # How often the list is asked for until the site is: its answer takes longer.
    lists_for_each_page = 1

    def __init__(self, project: Published, environment: dict[str, str], url: str):
        self.project, self.environment, self.url = project, environment, url
        self.log = project.home.parent / "serve.log"
        self.process: subprocess.Popen[bytes] | None = None
        # Of the price list, and of pages.
        self.longest_gap_s = self.site_gap_s = 0.0
        self._list_at = self._site_at = 0.0
        self._is_over = threading.Event()
        self._asking = threading.Thread(target=self._ask_on, daemon=True)

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = self.project.open_serve(log, self.environment)

    def asked(self, path: str) -> str | None:
        """Return what is answered, the status where it is no 200, None for silence."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:  # noqa: S310 - loopback
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            error.close()
            return f"{error.code}"
        except (OSError, ValueError):
            return None

    def runs(self) -> str:
        """Return what /healthz says of the revision; empty while it says nothing."""
        answer = self.asked("/healthz") or ""
        return answer if "revision" in answer else ""

    def await_site(self) -> None:
        """Wait until the site answers, and from then on watch the list."""
        self.wait_for(self.runs)
        self.watch()

    def watch(self) -> None:
        if not self._asking.is_alive():
            self._list_at = self._site_at = time.monotonic()
            self._asking.start()

    def wait_for(
        self, claim: Callable[[], object], *, within_s: float = STARTS_WITHIN_S
    ) -> None:
        until = time.monotonic() + within_s
        while not claim():
            if not self.is_alive or time.monotonic() > until:
                raise AssertionError(self.said[-4000:])
            time.sleep(0.1)

    def _ask_on(self) -> None:
        for number in itertools.count():
            if self._is_over.wait(ASKED_EVERY_S):
                return
            answer = self.asked(LIST_PATH) or ""
            now = time.monotonic()
            if answer.startswith("<?xml"):
                self.longest_gap_s = max(self.longest_gap_s, now - self._list_at)
                self._list_at = now
            if number % self.lists_for_each_page == 0 and self.runs():
                self.site_gap_s = max(self.site_gap_s, now - self._site_at)
                self._site_at = now

    def await_heard(self) -> None:
        """Wait until both are answered, so that a gap is known whole."""
        begun = time.monotonic()
        self.wait_for(lambda: min(self._list_at, self._site_at) > begun)

    def kill(self, *, with_children: bool = False) -> None:
        """End run.py by force; with its children, as a power cut does."""
        if self.process is None:
            return
        doomed = [psutil.Process(self.process.pid)]
        if with_children:
            doomed += doomed[0].children(recursive=True)
        for each in doomed:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait()
        self.process = None

    def close(self) -> None:
        self._is_over.set()
        self.close_process()

    def close_process(self) -> None:
        """Stop it as a service manager does."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill(with_children=True)


def keep_list(folder: Path) -> None:
    """Put a price list where the bridge looks for the live one."""
    folder.mkdir(parents=True)
    text = '<?xml version="1.0" encoding="utf-8"?>\n<kaspi_catalog/>\n'
    (folder / "kaspi_price_list.xml").write_text(text)
