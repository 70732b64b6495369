"""What every test may use: peers, databases for threads and processes, a browser."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.db import connection, connections

from launch.programs import find_chromium
from sandbox import AlStyleServer, KaspiServer

ROOT = Path(__file__).resolve().parent.parent
REQUIRE_ALL = os.environ.get("REQUIRE_ALL") == "1"
ON_POSTGRESQL = bool(os.environ.get("TEST_DATABASE_URL"))
# Of several lists of features Chromium heeds the last only, so those are named here too
# that Playwright leaves out for a reason.
LEFT_OUT_OF_CHROMIUM = (
    # Two pages of suggestions under the address bar, which nobody sees here, and which
    # take more of the processor for each page opened than the page itself.
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    # Playwright's.
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "TcpPortRandomizationWin",
    "ThirdPartyStoragePartitioning",
    "msEdgeUpdateLaunchServicesPreferredVersion",
    "msForceBrowserSignIn",
)
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    f"--disable-features={','.join(LEFT_OUT_OF_CHROMIUM)}",
]

# On a shared machine a slow example is no wrong one.
hypothesis.settings.register_profile(
    "shared", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared")

MARKERS = (
    "once: has a database of its own or none; runs beside SQLite only",
    "sqlite: about SQLite",
    "postgresql: about PostgreSQL",
    "long: takes as long as hundreds of others; begins before its like",
)
skipped: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out what is about the other database; a skip would look like a gap.

    What opens no database would only be run a second time beside PostgreSQL. What takes
    long comes early, so that no worker is left alone with it at the end.
    """
    other = ("once", "sqlite") if ON_POSTGRESQL else ("postgresql",)
    left_out = [
        item
        for item in items
        if any(item.get_closest_marker(marker) for marker in other)
        or (ON_POSTGRESQL and not opens_database(item))
    ]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    items.sort(key=place_of)


def place_of(item: pytest.Item) -> tuple[int, bool]:
    """Tell when a test has its turn, beside what pytest-django sorts them by.

    A test that commits comes after all that roll back: they need what migrations bring.
    """
    marked = {marker.name for marker in item.iter_markers()}
    is_short = "long" not in marked
    takes_long = bool(marked & {"long", "slow", "browser"})
    if not opens_database(item):
        return (0 if takes_long else 4), is_short
    if commits(item):
        return (2 if takes_long else 3), is_short
    return 1, is_short


def opens_database(item: pytest.Item) -> bool:
    """Tell whether a test asked for a database: pytest-django refuses it to others."""
    return bool(
        item.get_closest_marker("django_db")
        or {"db", "transactional_db"} & set(fixtures_of(item))
    )


def commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    return bool(
        (marker and marker.kwargs.get("transaction"))
        or {"transactional_db", "live_server"} & set(fixtures_of(item))
    )


def fixtures_of(item: pytest.Item) -> Sequence[str]:
    return getattr(item, "fixturenames", ())


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        skipped.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if REQUIRE_ALL and skipped:
        sys.stderr.write(f"\nREQUIRE_ALL=1, but skipped: {', '.join(skipped)}\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _is_loopback(host: Any) -> bool:
    if host in (None, "", "localhost", b"localhost", "testserver"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Fail whatever would leave this computer, name look-ups included."""
    names = ("connect", "connect_ex")
    real = {name: getattr(socket.socket, name) for name in names}
    look_up = socket.getaddrinfo

    def guarded(name: str) -> Callable[..., Any]:
        def call(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                assert _is_loopback(address[0]), f"a test called {address[0]}"
            return real[name](self, address)

        return call

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        assert _is_loopback(host), f"a test looked up {host}"
        return look_up(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(socket.socket, name, guarded(name))
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Keep what migrations bring, and let each test that commits leave just that."""
    from tests.clearing import Clearing

    with django_db_blocker.unblock():
        Clearing().install()


@pytest.fixture(autouse=True)
def nothing_adjusted() -> Iterator[None]:
    """Let no test meet the settings that another one's owner has stored."""
    from plumbing import adjusting

    adjusting.forget()
    yield
    adjusting.forget()


@pytest.fixture(autouse=True)
def nobody_erased() -> Iterator[None]:
    """Let no test meet the buyers whom another one has erased."""
    from orders.erasures import file_of_erased

    yield
    file_of_erased().unlink(missing_ok=True)


@pytest.fixture
def mark(settings: Any, tmp_path: Path, monkeypatch: Any) -> Iterator[Path]:
    """Turn the epoch guard on, with a mark of its own."""
    from plumbing import epoch

    settings.EPOCH_MARK = tmp_path / "epoch.json"
    monkeypatch.setattr(epoch, "hardware", lambda: ("card",))
    epoch.forget()
    yield settings.EPOCH_MARK
    epoch.forget()


@pytest.fixture
def alstyle(settings: Any) -> Iterator[AlStyleServer]:
    """Serve Al-Style on loopback, with no pause between calls."""
    with AlStyleServer(token=settings.ALSTYLE_TOKEN, interval_s=0) as peer:
        settings.ALSTYLE_URL = peer.url
        yield peer
    assert peer.crashes == []


@pytest.fixture
def kaspi(settings: Any) -> Iterator[KaspiServer]:
    """Serve Kaspi on loopback."""
    merchant_id = settings.KASPI_MERCHANT_ID
    with KaspiServer(token=settings.KASPI_TOKEN, merchant_id=merchant_id) as peer:
        settings.KASPI_URL = peer.url
        yield peer
    assert peer.crashes == []


def database_url() -> str:
    """Name the test's own database, for a child process."""
    config = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{Path(config['NAME']).as_posix()}"
    login = f"{config['USER']}:{config['PASSWORD']}"
    return f"postgres://{login}@{config['HOST']}:{config['PORT']}/{config['NAME']}"


@pytest.fixture
def bridge_env(
    tmp_path: Path, transactional_db: None, settings: Any
) -> Callable[..., dict[str, str]]:
    """Build the environment of a real bridge process on the test's database."""

    def build(**overrides: str) -> dict[str, str]:
        return {
            **{k: v for k, v in os.environ.items() if k != "TEST_DATABASE_URL"},
            "DJANGO_SETTINGS_MODULE": "bridge_site.settings",
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "1",
            "ENV_FILE": os.devnull,
            "SECRET_KEY": settings.SECRET_KEY,
            "HTTPS_ONLY": "0",
            "LISTEN": "127.0.0.1:0",
            "VAR_DIR": str(tmp_path / "var"),
            "BACKUP_DIR": str(tmp_path / "backups"),
            "DATABASE_URL": database_url(),
            "ALSTYLE_URL": settings.ALSTYLE_URL,
            "ALSTYLE_TOKEN": settings.ALSTYLE_TOKEN,
            "ALSTYLE_INTERVAL_S": "0",
            "KASPI_URL": settings.KASPI_URL,
            "KASPI_TOKEN": settings.KASPI_TOKEN,
            "KASPI_MERCHANT_ID": settings.KASPI_MERCHANT_ID,
            "KASPI_COMPANY": settings.KASPI_COMPANY,
            **overrides,
        }

    return build


@pytest.fixture
def in_threads(transactional_db: None) -> Callable[..., list[Any]]:
    """Call functions at the same moment, each in a thread with its own connection.

    Returns what each returned, or the exception it raised, in order.
    """

    def run(functions: Sequence[Callable[[], Any]], timeout_s: float = 60) -> list[Any]:
        results: list[Any] = [None] * len(functions)
        start = threading.Barrier(len(functions))

        def call(number: int, function: Callable[[], Any]) -> None:
            try:
                start.wait()
                results[number] = function()
            except Exception as error:
                results[number] = error
            finally:
                connections.close_all()

        threads = [
            threading.Thread(target=call, args=pair, daemon=True)
            for pair in enumerate(functions)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout_s)
            assert not thread.is_alive(), "a thread did not come to its end"
        return results

    return run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 8 MB, which a test may fill."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    size = ["-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, *size], check=False).returncode:
        # Not a gap of the gate's: only some machines let a test mount anything.
        pytest.xfail("no right to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def started_chromium() -> Iterator[Any]:
    """Start a real browser once for a file; its tests are skipped where there is none.

    Not for longer: Playwright keeps an event loop running, in which other tests could
    start none of their own.
    """
    program = find_chromium()
    if program is None:
        (pytest.fail if REQUIRE_ALL else pytest.skip)("no Chromium was found")
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Django takes it for async code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(
            executable_path=str(program), args=CHROMIUM_FLAGS
        )
        yield browser
        browser.close()


@pytest.fixture
def chromium(started_chromium: Any) -> Iterator[Any]:
    """Give a browser that knows nothing yet: what a test opened is closed after it."""
    assert started_chromium.contexts == []
    yield started_chromium
    for context in started_chromium.contexts:
        context.close()
