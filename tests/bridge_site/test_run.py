"""run.py: what it makes, what it refuses, and that nothing in it needs POSIX."""

from __future__ import annotations

import ast
import os
import re
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from launch import suite as suite_module
from launch import venv as venv_module
from launch.environment import child_environment, setting_names
from launch.locks import FileLock, Locked
from launch.ports import free_port
from launch.suite import CLOSING_LINE, Run, Suite

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.once

COPIED = [
    *(
        "alerts",
        "plumbing",
        "backoffice",
        "bridge_site",
        "catalog",
        "orders",
        "feeds",
        "sandbox",
        "launch",
    ),
    *("templates", "static", "locale"),
]

# Put before a program: what a Python on Windows does not have.
WITHOUT_POSIX = """
import os, signal, sys
import psutil  # has another implementation there, so this one may keep its modules
for name in ("fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog"):
    sys.modules[name] = None
for name in ("fork", "forkpty", "setsid", "setuid", "getuid", "geteuid", "getgid",
             "killpg", "getpgid", "setpgid", "chown", "mkfifo"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGQUIT", "alarm"):
    if hasattr(signal, name):
        delattr(signal, name)
"""


def copy_of_the_project(folder: Path) -> Path:
    project = folder / "project"
    project.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, project / name, ignore=ignored)
    for name in ("run.py", "manage.py", ".env.example", "requirements.txt"):
        shutil.copy(ROOT / name, project / name)
    return project


def run_py(project: Path, *arguments: str, **options: Any) -> Any:
    return subprocess.run(
        [sys.executable, "run.py", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        **options,
    )


@pytest.fixture
def project(tmp_path):
    return copy_of_the_project(tmp_path)


def test_old_pythons_can_read_run_py_far_enough_to_be_refused():
    # Python 3.4 has none of what came later, such as f-strings and annotations
    # of variables; `from __future__ import annotations` stops all before 3.7.
    source = (ROOT / "run.py").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 4))
    kinds = {type(node).__name__ for node in ast.walk(tree)}
    assert not kinds & {"JoinedStr", "AnnAssign", "NamedExpr", "AsyncFunctionDef"}
    assert "__future__" not in source
    check = source.index("sys.version_info < (3, 10)")
    assert check < source.index("from launch")


def test_an_old_python_gets_one_sentence(project):
    pretend = (
        "import sys; sys.version_info = (3, 6, 9, 'final', 0); "
        "sys.argv = ['run.py', 'demo']; exec(open('run.py').read())"
    )
    done = subprocess.run(
        [sys.executable, "-c", pretend],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "needs Python 3.10 or newer and was started with Python 3.6" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_only_the_standard_library_is_used_before_anything_is_installed():
    allowed = {*sys.stdlib_module_names, "launch", "__future__"}
    for path in [ROOT / "run.py", *(ROOT / "launch").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] in allowed, f"{path.name} imports {name}"


def test_every_setting_is_documented():
    source = (ROOT / "bridge_site" / "settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r"read\.\w+\(\s*\"([A-Z_]+)\"", source))
    assert "ALSTYLE_TOKEN" in read
    assert "FEED_KASPI_NETWORKS" in read
    assert read == set(setting_names())
    for readme in ("README.md", "README.ru.md"):
        text = (ROOT / readme).read_text(encoding="utf-8")
        missing = {name for name in read if f"`{name}`" not in text}
        assert not missing, f"{readme} lacks {missing}"


def test_the_shells_settings_do_not_reach_the_demo(monkeypatch):
    monkeypatch.setenv("KASPI_TOKEN", "real")
    monkeypatch.setenv("ALSTYLE_TOKEN_FILE", "/real")
    monkeypatch.setenv("ENV_FILE", "/real/.env")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "another.project")
    environment = child_environment(without_settings=True)
    assert not {"KASPI_TOKEN", "ALSTYLE_TOKEN_FILE", "ENV_FILE"} & set(environment)
    assert environment["DJANGO_SETTINGS_MODULE"] == "bridge_site.settings"


def test_the_demo_takes_the_usual_port_or_a_free_one():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port
    assert free_port() > 0


def test_a_lock_ends_with_its_holder(tmp_path):
    path = tmp_path / "x.lock"
    hold = (
        "import sys, pathlib; from launch.locks import FileLock\n"
        "lock = FileLock(pathlib.Path(sys.argv[1])); print('held', flush=True)\n"
        "sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout
    assert holder.stdin
    assert holder.stdout.readline().strip() == b"held"
    with pytest.raises(Locked):
        FileLock(path)
    holder.kill()
    holder.wait()
    FileLock(path).release()
    for pipe in (holder.stdin, holder.stdout):
        pipe.close()


@pytest.mark.parametrize(
    "line",
    [
        "==== 3 passed in 0.12s ====",
        "3 passed, 1 skipped, 2 warnings in 75.10s (0:01:15)",
        "=== 1 failed, 2 passed, 1 error in 0.12s ===",
        "=== no tests ran in 0.01s ===",
    ],
)
def test_pytests_closing_line_is_recognised(line):
    assert CLOSING_LINE.match(line)


@pytest.mark.parametrize(
    ("codes", "left_out", "require_all", "status"),
    [
        ([0, 0], [], False, 0),
        ([0, 1], [], False, 1),
        ([2, 0], [], False, 2),
        ([0, 5], [], False, 0),
        ([5, 5], [], False, 5),
        ([0], ["PostgreSQL"], False, 0),
        ([0], ["PostgreSQL"], True, 1),
    ],
)
def test_the_status_is_the_worst_of_the_runs(
    codes, left_out, require_all, status, monkeypatch, capsys
):
    monkeypatch.setenv("REQUIRE_ALL", "1" if require_all else "0")
    suite = Suite(python=Path("python"), arguments=[], environment={})
    suite.runs = [Run(database="X", exit_code=code) for code in codes]
    suite.left_out = left_out
    assert suite.conclude() == status
    said = capsys.readouterr().err
    assert all(f"NOT TESTED: {reason}" in said for reason in left_out)


def test_the_suite_runs_on_both_databases_and_shows_both_closing_lines(
    monkeypatch, capfd
):
    monkeypatch.setenv("BRIDGE_VENV", sys.prefix)
    monkeypatch.setenv("REQUIRE_ALL", "0")
    monkeypatch.setenv("TEST_DATABASE_URL", "postgres://nobody@127.0.0.1:9/none")
    status = suite_module.run_tests(["--version"])
    said = capfd.readouterr().out
    assert status == 0
    assert said.count("pytest ") >= 2
    assert said.index("Tests on SQLite") < said.index("Tests on PostgreSQL")


def test_serve_lists_what_is_missing_and_starts_nothing(project):
    environment = {
        **child_environment(without_settings=True),
        "BRIDGE_VENV": sys.prefix,
    }
    done = run_py(project, "serve", env=environment)
    assert done.returncode == 1
    for name in ("SECRET_KEY", "ALSTYLE_TOKEN", "KASPI_TOKEN", "KASPI_MERCHANT_ID"):
        assert f"{name} is not set" in done.stderr
    assert "Nothing was started" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "var" / "bridge.sqlite3").exists()


def test_a_wrong_word_prints_how_to_use_it(project):
    done = run_py(project, "dmeo", env={**os.environ, "BRIDGE_VENV": sys.prefix})
    assert done.returncode == 2
    assert "serve" in done.stderr


def test_prepare_demo_refuses_real_peers(project):
    environment = {
        **child_environment(without_settings=True),
        "BRIDGE_VENV": sys.prefix,
        "SECRET_KEY": secrets.token_hex(32),
        "ALSTYLE_TOKEN": "real-token",
        "KASPI_TOKEN": "real-token",
        "KASPI_MERCHANT_ID": "Real",
        "KASPI_COMPANY": "Real",
    }
    done = run_py(project, "manage", "prepare_demo", env=environment)
    assert done.returncode == 1
    assert "ALSTYLE_URL is not on this computer" in done.stderr


def venv_without_posix(folder: Path) -> Path:
    """A virtual environment whose every Python starts without POSIX's modules."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True
    )
    (packages,) = folder.glob("**/site-packages")
    (packages / "without_posix.py").write_text(WITHOUT_POSIX)
    real = [path for path in sys.path if path.endswith("site-packages")]
    lines = [*real, "import without_posix"]
    (packages / "without_posix.pth").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.slow
def test_serve_runs_without_posix_modules_and_without_fork(project, tmp_path):
    venv = venv_without_posix(tmp_path / "venv")
    port = free_port()
    environment = {
        **child_environment(without_settings=True),
        "BRIDGE_VENV": str(venv),
        "MP_START_METHOD": "spawn",
        "SECRET_KEY": secrets.token_hex(32),
        "HTTPS_ONLY": "0",
        "LISTEN": f"127.0.0.1:{port}",
        "ALSTYLE_URL": "http://127.0.0.1:9",
        "ALSTYLE_TOKEN": "alstyle-test-token",
        "KASPI_URL": "http://127.0.0.1:9",
        "KASPI_TOKEN": "kaspi-test-token",
        "KASPI_MERCHANT_ID": "QazDemo",
        "KASPI_COMPANY": "Qaz Demo",
    }
    log = (tmp_path / "log.txt").open("w+b")
    process = subprocess.Popen(
        [str(venv_module.python_of(venv)), "run.py", "serve"],
        cwd=project,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        await_page(f"http://127.0.0.1:{port}/i18n/", process)
        enqueue = "from plumbing.queue import enqueue\n" + "\n".join(
            f"enqueue('plumbing.tasks.beat', '{name}', cluster='{name}')"
            for name in ("orders", "imports")
        )
        run_py(project, "manage", "shell", "-c", enqueue, env=environment)
        await_heartbeats(project / "var" / "bridge.sqlite3")
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(15)
        log.seek(0)
        said = log.read().decode("utf-8", "replace")
        log.close()
    assert code == 0, said
    assert "Traceback" not in said, said


def await_page(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError as answer:
            answer.close()
            return
        except OSError:
            assert process.poll() is None, "it ended by itself"
            assert time.monotonic() < until
            time.sleep(0.2)
        else:
            return


def await_heartbeats(database: Path) -> None:
    """Wait until both clusters have run a task and both dispatchers have looked."""
    until = time.monotonic() + 60
    while True:
        connection = sqlite3.connect(database, timeout=30)
        try:
            (count,) = connection.execute(
                "SELECT count(*) FROM bridge_site_heartbeat"
            ).fetchone()
        finally:
            connection.close()
        if count == 4:
            return
        assert time.monotonic() < until, "no heartbeat"
        time.sleep(0.5)
