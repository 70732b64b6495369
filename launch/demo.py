"""`run.py demo`: the whole bridge against pretended peers, from nothing."""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launch.children import (
    Child,
    StopAsked,
    pause,
    run_to_end,
    stop_all,
    stop_signals,
)
from launch.console import HOME, ROOT, CannotGoOn, complain, say
from launch.environment import child_environment
from launch.locks import FileLock, Locked
from launch.ports import free_port
from launch.venv import prepared_python

DEMO_DIR = HOME / "var" / "demo"
USUAL_PORT = 8000
MERCHANT_ID = "QazDemo"
# How many times faster than life the pretended orders move on.
ORDERS_SPEED = 200
STAFF = (
    ("viewer", "смотрит"),
    ("packer", "собирает посылки"),
    ("operator", "работает"),
    ("owner", "решает всё"),
)


@dataclass(frozen=True)
class Plan:
    """What one demo is started with."""

    python: str
    port: int
    interval_s: float
    feed_every_s: float
    orders_every_s: float
    staff_password: str
    alstyle_token: str
    kaspi_token: str

    @property
    def site(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def feed_url(self) -> str:
        return f"{self.site}/kaspi_price_list.xml"


def demo(arguments: Sequence[str]) -> int:
    """Run the demo until Ctrl-C."""
    options = _parse(arguments)
    python = prepared_python("requirements.txt")
    # Before what is in it: others on this computer have no business there.
    DEMO_DIR.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    DEMO_DIR.mkdir(mode=0o700, exist_ok=True)
    lock = _only_demo()
    plan = Plan(
        python=str(python),
        port=_port(options.port),
        interval_s=options.interval,
        feed_every_s=options.feed_every,
        orders_every_s=options.orders_every,
        staff_password=secrets.token_urlsafe(9),
        alstyle_token=secrets.token_hex(16),
        kaspi_token=secrets.token_hex(16),
    )
    children: list[Child] = []
    with stop_signals():
        try:
            (DEMO_DIR / "address.txt").write_text(plan.site, encoding="utf-8")
            return _run(plan, children)
        except StopAsked:
            say("\nОстанавливаю… · Stopping…")
            return 0
        finally:
            stop_all(children)
            lock.release()


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py demo", description=demo.__doc__)
    parser.add_argument(
        "--interval", type=float, default=5, help="seconds between supplier calls"
    )
    parser.add_argument(
        "--feed-every", type=float, default=30, help="seconds between Kaspi's fetches"
    )
    parser.add_argument(
        "--orders-every", type=float, default=45, help="seconds between new orders"
    )
    parser.add_argument("--port", type=int, default=0, help="the site's port")
    return parser.parse_args(arguments)


def _only_demo() -> FileLock:
    try:
        # A demo that is just stopping may hold the lock for some seconds more.
        return FileLock(DEMO_DIR / "running.lock", wait_s=3)
    except Locked:
        address = DEMO_DIR / "address.txt"
        where = address.read_text(encoding="utf-8") if address.is_file() else "its port"
        raise CannotGoOn(
            f"A demo from this folder runs already at {where}: use that one, or stop "
            f"it with Ctrl-C in its window and start again."
        ) from None


def _port(asked_for: int) -> int:
    port = free_port(asked_for or USUAL_PORT)
    if asked_for and port != asked_for:
        raise CannotGoOn(
            f"Port {asked_for} is taken: close the program that uses it, or leave "
            f"--port out to get a free one."
        )
    return port


def _run(plan: Plan, children: list[Child]) -> int:
    environment = child_environment(without_settings=True)
    environment["NO_PROXY"] = environment["no_proxy"] = "127.0.0.1,localhost"
    say("Запускаю пробных поставщика и Kaspi… · Starting pretended peers…")
    sandbox, addresses = _start_sandbox(plan, environment, children)
    environment["ENV_FILE"] = str(_write_settings(plan, addresses))
    manage = [plan.python, str(ROOT / "manage.py")]
    say("Готовлю базу и первую выгрузку… · Preparing the database and first feed…")
    quiet = ("--noinput", "-v", "0")
    run_to_end("migrate", [*manage, "migrate", *quiet], environment=environment)
    run_to_end(
        "collectstatic", [*manage, "collectstatic", *quiet], environment=environment
    )
    run_to_end(
        "prepare_demo",
        [*manage, "prepare_demo", "--exit-with-parent"],
        environment={**environment, "DEMO_STAFF_PASSWORD": plan.staff_password},
    )
    command = [*manage, "bridge", "--exit-with-parent"]
    bridge = Child("bridge", command, environment=environment)
    children.append(bridge)
    _await_site(plan, bridge)
    _fetch_now(addresses)
    _tell(plan, addresses)
    while True:
        for child in (sandbox, bridge):
            if child.exit_code is not None:
                complain(f"{child.name} ended by itself with code {child.exit_code}.")
                return 1
        pause()


def _start_sandbox(
    plan: Plan, environment: dict[str, str], children: list[Child]
) -> tuple[Child, dict[str, Any]]:
    ports_file = DEMO_DIR / "sandbox.json"
    ports_file.unlink(missing_ok=True)
    state_file = DEMO_DIR / "sandbox-state.json"
    if not _database().is_file():
        # Orders that an empty database cannot know would only confuse.
        state_file.unlink(missing_ok=True)
    command = [plan.python, "-m", "sandbox", "--alstyle-port", "0", "--kaspi-port", "0"]
    command += ["--interval", str(plan.interval_s), "--feed-url", plan.feed_url]
    command += ["--feed-every", str(plan.feed_every_s), "--merchant-id", MERCHANT_ID]
    command += ["--alstyle-token", plan.alstyle_token]
    command += ["--kaspi-token", plan.kaspi_token]
    command += ["--orders-every", str(plan.orders_every_s), "--narrate"]
    command += ["--orders-speed", str(ORDERS_SPEED)]
    command += ["--state", str(state_file)]
    command += ["--ports-file", str(ports_file), "--exit-with-parent"]
    sandbox = Child("sandbox", command, environment=environment, folder=ROOT)
    children.append(sandbox)
    until = time.monotonic() + 60
    while not ports_file.is_file():
        if sandbox.exit_code is not None or time.monotonic() > until:
            raise CannotGoOn("The sandbox did not start: the lines above say why.")
        pause()
    addresses: dict[str, Any] = json.loads(ports_file.read_text(encoding="utf-8"))
    return sandbox, addresses


def _write_settings(plan: Plan, addresses: dict[str, Any]) -> Path:
    """Write the demo's own settings; what is not named here keeps its default."""
    settings = {
        "SECRET_KEY": _secret_key(),
        "DEBUG": "0",
        "HTTPS_ONLY": "0",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "LISTEN": f"127.0.0.1:{plan.port}",
        "VAR_DIR": str(DEMO_DIR),
        "FEED_DIR": str(DEMO_DIR / "feed"),
        "BACKUP_DIR": str(DEMO_DIR / "backups"),
        "FEED_KASPI_NETWORKS": "127.0.0.0/8",
        "DATABASE_URL": f"sqlite:///{_database().as_posix()}",
        "ALSTYLE_URL": addresses["alstyle_url"],
        "ALSTYLE_TOKEN": plan.alstyle_token,
        "ALSTYLE_INTERVAL_S": str(plan.interval_s),
        "KASPI_URL": addresses["kaspi_url"],
        "KASPI_TOKEN": plan.kaspi_token,
        "KASPI_MERCHANT_ID": MERCHANT_ID,
        "KASPI_COMPANY": "Qaz Demo",
        # Quicker than in earnest: a whole order's life shows within minutes.
        "POLL_ORDERS_EVERY_MIN": "1",
        "REFRESH_ORDERS_EVERY_MIN": "1",
        "SYNC_STOCK_EVERY_MIN": "2",
        "AUTO_ASSEMBLE": "1",
        "WORK_WEEK": ",".join(["0-24"] * 7),
        "OBSERVE_ONLY": "0",
        # Nobody sits beside the demo to allow each call of its first purchase.
        "SUPERVISE_FIRST_PURCHASE": "0",
        "OUTBOUND_PROXY": "",
        "LOG_LEVEL": "WARNING",
    }
    path = DEMO_DIR / "demo.env"
    lines = [f"{name}={value}\n" for name, value in settings.items()]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _database() -> Path:
    return DEMO_DIR / "bridge.sqlite3"


def _secret_key() -> str:
    # Kept: queued work and logins of the last demo are signed with it.
    path = DEMO_DIR / "secret-key.txt"
    if not path.is_file():
        path.write_text(secrets.token_hex(32), encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


def _await_site(plan: Plan, bridge: Child) -> None:
    until = time.monotonic() + 60
    while bridge.exit_code is None and time.monotonic() < until:
        try:
            _open(f"{plan.site}/admin/login/", timeout_s=5).close()
        except urllib.error.HTTPError as error:
            complain(f"{error.url} answers {error.code}: the lines above say why.")
            return
        except OSError:
            pause()
        else:
            return
    raise CannotGoOn("The site did not start: the lines above say why.")


def _fetch_now(addresses: dict[str, Any]) -> None:
    """Let the pretended Kaspi fetch at once; it does by itself a little later."""
    url = f"{addresses['kaspi_control_url']}/_control/fetch"
    with contextlib.suppress(OSError):
        _open(url, timeout_s=10, data=b"{}").close()


def _open(url: str, *, timeout_s: float, data: bytes | None = None) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers = {"Content-Type": "application/json"} if data else {}
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310 - loopback only
    return opener.open(request, timeout=timeout_s)


def _tell(plan: Plan, addresses: dict[str, Any]) -> None:
    say()
    say("Мост работает · The bridge is running")
    say(f"  Админка · Admin:        {plan.site}/admin/")
    for login, role in STAFF:
        say(f"    {login:<10} {plan.staff_password}    ({role})")
    say(f"  Прайс-лист · Feed:      {plan.feed_url}")
    say(f"  Что видит Kaspi · Kaspi's view: {addresses['kaspi_page_url']}")
    every_s = f"{plan.feed_every_s:g}"
    say("  Заказы читаются каждую минуту, остатки — каждые две (в работе: 5 и 10),")
    say("  прайс-лист строится после каждого изменения, пробный Kaspi забирает его")
    say(f"  каждые {every_s} с. Что происходит с заказами — ниже, строка за строкой.")
    say("  Orders are read every minute; below is a line for each thing they do.")
    say("  Остановить: Ctrl-C · Ctrl-C stops everything.")
