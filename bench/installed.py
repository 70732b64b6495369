"""Judges an installation from inside its root: deploy/try-install.sh starts it there.

Standard library only: the root has nothing else.
"""

from __future__ import annotations

import base64
import http.client
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
from urllib.parse import urlencode

CODE = Path("/opt/kaspi-bridge")
SITE, LIST = "shop.example", "kaspi_price_list.xml"
SETTINGS = dict(
    line.split("=", 1)
    for line in (CODE / ".env").read_text("utf-8").splitlines()
    if re.match(r"[A-Z_]+=", line)
)
# Of the addresses that are for examples only.
STRANGER = "198.51.100.7"
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
    process = subprocess.Popen(
        command, cwd=CODE, user=account, group=account, extra_groups=[]
    )
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


def publish() -> None:
    """Publish something new, signed by a key that root here trusts."""
    clone, key = Path("/root/publisher"), Path("/root/signing")
    shutil.rmtree(clone, ignore_errors=True)
    run("git", "clone", "-q", "/srv/git/kaspi-bridge.git", str(clone), folder="/")
    if not key.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key), folder="/")
        whom = f"a@example.kz {key.with_suffix('.pub').read_text('utf-8')}"
        Path("/root/trusted").write_text(whom, "utf-8")
        run("git", "config", "gpg.ssh.allowedSignersFile", "/root/trusted")
    for name, value in (
        ("user.name", "A"),
        ("user.email", "a@example.kz"),
        ("gpg.format", "ssh"),
        ("user.signingKey", str(key)),
    ):
        run("git", "config", name, value, folder=clone)
    words = ("commit", "-q", "-S", "--allow-empty", "-m", "Something new.")
    run("git", *words, folder=clone)
    run("git", "push", "-q", "origin", "HEAD", folder=clone)


def run(*command: str, folder: Path | str = CODE) -> str:
    """Run to the end, which must be good; return what it said."""
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False
    )
    print(done.stdout, end="")
    assert done.returncode == 0, (command, done.returncode)
    return done.stdout


def update() -> None:
    """Update to something new, as root."""
    publish()
    told = run("python3", "run.py", "update", "--signed", "--watch", "5")
    assert re.search(r"^[0-9a-f]{12} runs\.", told, re.MULTILINE)


def start_peers() -> None:
    peers = ("--alstyle-port", "9101", "--kaspi-port", "9102", "--interval", "0.2")
    start(bridge_python(), "-m", "sandbox", *peers)
    wait_for("http://127.0.0.1:9101/", 401, within_s=30)


def judge_by_hand() -> None:
    """Start what systemd would, and judge it."""
    run("nginx")
    start_peers()
    run("python3", "run.py", "manage", "prepare_demo")
    bridge = start("python3", "run.py", "serve")
    wait_for(f"https://{SITE}/healthz", 200)
    judge_all()
    update()
    judge_all()
    bridge.terminate()
    bridge.wait(60)
    judge_stopped()


def judge_booted() -> None:
    """Judge what systemd has started."""
    start_peers()
    wait_for(f"https://{SITE}/healthz", 200)
    run("python3", "run.py", "manage", "prepare_demo")
    judge_all()
    for unit in ("kaspi-bridge", "nginx", "fail2ban", "kaspi-bridge-update.timer"):
        assert run("systemctl", "is-active", unit) == "active\n", unit
    rules = run("ufw", "status")
    assert "Status: active" in rules
    assert all(f"{port}/tcp" in rules for port in (22, 80, 443))
    assert "kaspi-bridge, sshd" in run("fail2ban-client", "status")
    judge_fail2ban()
    judge_backup()
    before = ask(f"https://{SITE}/healthz")[1]
    publish()
    run("systemctl", "start", "kaspi-bridge-update")
    assert ask(f"https://{SITE}/healthz")[1] != before
    judge_all()
    began = time.monotonic()
    run("systemctl", "stop", "kaspi-bridge")
    print(f"stopped within {time.monotonic() - began:.1f} s")
    judge_stopped()
    run("systemctl", "start", "kaspi-bridge")
    wait_for(f"https://{SITE}/healthz", 200)
    judge_all()


def judge_fail2ban() -> None:
    """A refused sign-in of a stranger's is counted by fail2ban."""
    run("ip", "address", "add", f"{STRANGER}/32", "dev", "lo")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(
        SITE, timeout=30, context=context, source_address=(STRANGER, 0)
    )
    connection.request("GET", "/admin/login/")
    answer = connection.getresponse()
    cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]
    token = re.findall(rb'name="csrfmiddlewaretoken" value="(\w+)"', answer.read())[0]
    fields = {"username": "olga", "password": "wrong", "next": "/admin/"}
    body = urlencode({**fields, "csrfmiddlewaretoken": token.decode()})
    headers = {
        "Cookie": cookie,
        "Referer": f"https://{SITE}/admin/login/",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    connection.request("POST", "/admin/login/", body, headers)
    assert connection.getresponse().status == 200
    until = time.monotonic() + 30
    counted = r"Total failed:\s+1\n"
    while not re.search(counted, run("fail2ban-client", "status", "kaspi-bridge")):
        assert time.monotonic() < until
        time.sleep(2)


def judge_backup() -> None:
    """A backup is made by a worker inside the service's cage."""
    code = "from plumbing.queue import enqueue; "
    code += "enqueue('bridge_site.backups.tasks.back_up', cluster='imports')"
    run("python3", "run.py", "manage", "shell", "--no-imports", "-c", code)
    folder, until = Path("/opt/kaspi-bridge-backups"), time.monotonic() + 120
    while not (made := sorted(folder.glob("20*Z"))):
        assert time.monotonic() < until, list(folder.iterdir())
        time.sleep(1)
    assert made[0].owner() == "bridge"
    print(f"the service's own backup: {made[0]}")


def judge_all() -> None:
    judge_list()
    judge_admin()
    judge_rights()


def judge_stopped() -> None:
    """See that nginx gives out the last list."""
    judge_list()
    assert ask(f"https://{SITE}/admin/login/")[0] == 502
    print("stopped: the list is still given out, with its login")
    judge_rights()


if __name__ == "__main__":
    os.environ["PYTHONUTF8"] = "1"
    sys.stdout.reconfigure(line_buffering=True)
    try:
        judge = {"update": update, "booted": judge_booted, "by-hand": judge_by_hand}
        judge[sys.argv[1]]()
    finally:
        for process in started:
            process.terminate()
