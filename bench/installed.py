"""Judges an installation from inside its root: deploy/try-install.sh starts it there.

Standard library only: the root has nothing else.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

CODE = Path("/opt/kaspi-bridge")
SITE, LIST = "shop.example", "kaspi_price_list.xml"
SETTINGS = dict(
    line.split("=", 1)
    for line in (CODE / ".env").read_text("utf-8").splitlines()
    if re.match(r"[A-Z_]+=", line)
)
started: list[subprocess.Popen[bytes]] = []


class NotFollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: object) -> None:
        return None


def ask(address: str, *, login: bool = False) -> tuple[int, bytes]:
    """Ask through nginx, whose certificate is signed by itself."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context), NotFollowed
    )
    request = urllib.request.Request(address)
    if login:
        words = f"{SETTINGS['FEED_USER']}:{SETTINGS['FEED_PASSWORD']}"
        sealed = base64.b64encode(words.encode()).decode()
        request.add_header("Authorization", f"Basic {sealed}")
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def start(*command: str, account: str = "bridge") -> subprocess.Popen[bytes]:
    """Start what goes on, as systemd would."""
    process = subprocess.Popen(["runuser", "-u", account, "--", *command], cwd=CODE)
    started.append(process)
    return process


def bridge_python() -> str:
    found = sorted((CODE / "releases" / "venvs").glob("*/bin/python"))
    return str(found[0] if found else CODE / ".venv/bin/python")


def wait_for(address: str, status: int, *, within_s: float = 120) -> None:
    until = time.monotonic() + within_s
    heard: object = None
    while time.monotonic() < until:
        try:
            heard = ask(address)[0]
            if heard == status:
                return
        except OSError as error:
            heard = error
        time.sleep(0.5)
    raise AssertionError(f"{address}: {heard}")


def may(account: str, *command: str) -> bool:
    whole = ["runuser", "-u", account, "--", *command]
    return (
        subprocess.run(whole, cwd="/", capture_output=True, check=False).returncode == 0
    )


def judge_rights() -> None:
    """Nobody reads or writes what is not theirs."""
    assert not may("bridge", "touch", str(CODE / "run.py"))
    assert not may("bridge", "touch", str(CODE / "releases/another"))
    assert not may("bridge", "touch", str(CODE / ".env"))
    assert not may("bridge", "cat", str(CODE / ".git/config"))
    assert may("bridge", "cat", str(CODE / ".env"))
    for stranger in ("www-data", "nobody"):
        for path in (CODE / ".env", CODE / "var/bridge.sqlite3"):
            assert not may(stranger, "cat", str(path)), (stranger, path)
    assert may("www-data", "cat", f"/srv/kaspi-feed/{LIST}")
    assert not may("nobody", "cat", f"/srv/kaspi-feed/{LIST}")
    others = [
        str(path)
        for path in (CODE / "var").rglob("*")
        if path.owner() != "bridge" and path.name != "install.lock"
    ]
    assert not others, others


def judge_list() -> None:
    """The list comes with its login only, on both ports."""
    for scheme in ("http", "https"):
        address = f"{scheme}://{SITE}/{LIST}"
        assert ask(address)[0] == 401
        status, body = ask(address, login=True)
        assert (status, body.count(b"<offer ") > 10) == (200, True), (
            status,
            body[:200],
        )
    print(f"the list: {len(body)} bytes, {body.count(b'<offer ')} offers")


def judge_admin() -> None:
    assert ask(f"http://{SITE}/admin/login/")[0] == 301
    status, page = ask(f"https://{SITE}/admin/login/")
    assert (status, b"csrfmiddlewaretoken" in page) == (200, True), page[:300]
    styles = re.findall(rb'href="(/static/[^"]+\.css)"', page)
    assert styles
    assert ask(f"https://{SITE}{styles[0].decode()}")[0] == 200
    print(f"the admin's sign-in: {len(page)} bytes, and its styles")


def update() -> None:
    """Publish something and update to it, as root."""
    clone = Path("/root/publisher")
    shutil.rmtree(clone, ignore_errors=True)
    name = ("-c", "user.name=A", "-c", "user.email=a@example.kz")
    origin = "/srv/git/kaspi-bridge.git"
    subprocess.run(["git", "clone", "-q", origin, str(clone)], check=True)
    words = ("commit", "-q", "--allow-empty", "-m", "Something new.")
    subprocess.run(["git", *name, *words], cwd=clone, check=True)
    subprocess.run(["git", "push", "-q", "origin", "HEAD"], cwd=clone, check=True)
    command = ["python3", "run.py", "update", "--watch", "5"]
    done = subprocess.run(
        command, cwd=CODE, stdout=subprocess.PIPE, text=True, check=False
    )
    print(done.stdout)
    assert done.returncode == 0
    assert re.search(r"^[0-9a-f]{12} runs\.", done.stdout, re.MULTILINE)


def main() -> None:
    python = bridge_python()
    os.environ["PYTHONUTF8"] = "1"
    subprocess.run(["nginx"], check=True)
    peers = ("--alstyle-port", "9101", "--kaspi-port", "9102", "--interval", "0.2")
    start(python, "-m", "sandbox", *peers)
    wait_for("http://127.0.0.1:9101/", 401, within_s=30)
    prepared = ["python3", "run.py", "manage", "prepare_demo"]
    subprocess.run(prepared, cwd=CODE, check=True)
    bridge = start("python3", "run.py", "serve")
    wait_for(f"https://{SITE}/healthz", 200)
    judge_list()
    judge_admin()
    judge_rights()
    update()
    judge_list()
    judge_admin()
    bridge.terminate()
    bridge.wait(60)
    # nginx gives out the last one.
    judge_list()
    assert ask(f"https://{SITE}/admin/login/")[0] == 502
    print("stopped: the list is still given out, with its login")
    judge_rights()


if __name__ == "__main__":
    try:
        update() if sys.argv[1:] == ["update"] else main()
    finally:
        for process in started:
            process.terminate()
        sys.stdout.flush()
