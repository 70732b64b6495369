"""The scripts and files of deploy/: what can be told of them without installing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from lxml import etree

from tests.conftest import REQUIRE_ALL

pytestmark = pytest.mark.once
ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
SCRIPTS = sorted([*DEPLOY.glob("*.sh"), ROOT / ".ci/run"])
# Files of ours as texts name them, with either slash.
NAMED = re.compile(r"\bdeploy[/\\]([\w@.\-/\\]*\w)")
SETTINGS = set(
    re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.M)
)


def program(name: str) -> str:
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        (pytest.fail if REQUIRE_ALL else pytest.skip)(f"{name} is not there")
    return found


def test_shell_scripts_have_no_known_fault():
    command = [program("shellcheck"), "--severity=style", *map(str, SCRIPTS)]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout


def test_a_dry_run_tells_every_step_and_does_none():
    before = {
        path: path.exists()
        for path in map(
            Path, ("/opt/kaspi-bridge", "/etc/kaspi-bridge", "/srv/kaspi-feed")
        )
    }
    command = ["bash", str(DEPLOY / "install.sh"), "--dry-run"]
    command += ["--domain", "Shop.Example", "--postgresql", "--nightly-updates"]
    command += ["--owner", "olga"]
    command += ["--from", "https://olga:secret@git.example/bridge.git"]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    titles = re.findall(r"^(\w+)", done.stdout, re.MULTILINE)
    assert titles[:9] == [
        *("The", "Packages", "Accounts", "The", "Folders", "Settings", "Database"),
        *("Python", "The"),
    ]
    assert titles[9:14] == ["Services", "nginx", "Firewall", "Certificate", "fail2ban"]
    assert "nginx for shop.example" in done.stdout
    assert "  done  " not in done.stdout
    assert "secret" not in done.stdout
    assert before == {path: path.exists() for path in before}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--domain shop.example.kz"),
        (("--domain", "a b"), "no name of a site"),
        (("--domain",), "wants a value"),
        (("--domain", "a.kz", "--fast"), "--fast is not known"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_done(arguments, said):
    command = ["bash", str(DEPLOY / "install.sh"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert said in done.stderr


def test_every_file_that_scripts_and_guides_name_is_there():
    texts = [
        *DEPLOY.rglob("*.sh"),
        *DEPLOY.rglob("*.md"),
        *DEPLOY.rglob("*.ps1"),
        *DEPLOY.rglob("*.conf"),
        *DEPLOY.rglob("*.yaml"),
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("*.md"),
    ]
    missing = {
        f"{text.relative_to(ROOT)}: deploy/{name}"
        for text in texts
        for name in NAMED.findall(text.read_text("utf-8"))
        if not (DEPLOY / name.replace("\\", "/")).exists()
    }
    install = (DEPLOY / "install.sh").read_text()
    fixed = set(re.findall(r"deployed (\w[\w./]+)", install))
    units = re.findall(r"kaspi-bridge[\w-]*\.(?:service|timer)", install)
    fixed |= {f"systemd/{unit}" for unit in units}
    assert len(fixed) >= 4
    missing |= {name for name in fixed if not (DEPLOY / name).is_file()}
    powershell = (DEPLOY / "windows/install.ps1").read_text()
    named = re.findall(r"'(\w+\.xml|Caddyfile)'", powershell)
    assert len(set(named)) == 3
    missing |= {name for name in named if not (DEPLOY / "windows" / name).is_file()}
    assert not missing


def test_scripts_and_containers_write_only_settings_that_there_are():
    install = (DEPLOY / "install.sh").read_text()
    windows = (DEPLOY / "windows/install.ps1").read_text()
    compose = (DEPLOY / "container/compose.yaml").read_text()
    image = (DEPLOY / "container/Dockerfile").read_text()
    written = {
        *re.findall(r"told\[([A-Z_]+)\]=", install),
        *re.findall(r"setting ([A-Z_]+)", install),
        *re.findall(r"^            ([A-Z_]+) +=", windows, re.MULTILINE),
        *re.findall(r"Get-Setting '([A-Z_]+)'", windows),
        *re.findall(r"^      ([A-Z_]+): ", compose, re.MULTILINE),
        *re.findall(r"^(?:ENV|   ) ([A-Z_]+)=", image, re.MULTILINE),
    }
    assert {"SECRET_KEY", "FEED_PASSWORD", "EPOCH_MARK", "LISTEN"} <= written
    others = {name for name in written if name.startswith(("POSTGRES_", "PYTHON"))}
    others |= {"DOMAIN", "BRIDGE_VENV", "ENV_FILE", "MALLOC_ARENA_MAX"}
    assert written - others <= SETTINGS


def test_units_and_install_agree_on_what_the_account_writes():
    install = (DEPLOY / "install.sh").read_text()
    folders = dict(re.findall(r"\b([A-Z]+)=(/\S+)", install.partition("domain=''")[0]))
    for unit in ("kaspi-bridge.service", "kaspi-bridge-part@.service"):
        text = (DEPLOY / "systemd" / unit).read_text()
        (line,) = re.findall(r"^ReadWritePaths=(.*)$", text, re.MULTILINE)
        written = {path.lstrip("-") for path in line.split()}
        assert {folders[name] for name in ("FEED", "BACKUPS", "MARK")} <= written


@pytest.mark.parametrize("name", ["serve", "update"])
def test_windows_tasks_are_what_the_guide_says(name):
    task = etree.fromstring((DEPLOY / "windows" / f"{name}.xml").read_bytes())
    read = lambda path: task.findtext(path, namespaces={"": task.nsmap[None]})  # noqa: E731
    assert read("Actions/Exec/Command") == "{PYTHON}"
    assert read("Actions/Exec/WorkingDirectory") == "{FOLDER}"
    assert read("Settings/MultipleInstancesPolicy") == "IgnoreNew"
    told = (
        read("Actions/Exec/Arguments"),
        read("Principals/Principal/UserId"),
        read("Settings/ExecutionTimeLimit"),
    )
    assert (
        told
        == {
            "serve": ("run.py serve", "S-1-5-19", "PT0S"),
            "update": ("run.py update --signed", "S-1-5-18", "PT2H"),
        }[name]
    )


def test_the_image_has_all_that_the_bridge_imports_and_every_path_is_there():
    image = (DEPLOY / "container/Dockerfile").read_text()
    copied = set()
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", image, re.MULTILINE):
        copied |= set(sources.split())
    assert {name for name in copied if not (ROOT / name).exists()} == set()
    apps = {p.parent.name for p in ROOT.glob("*/__init__.py")}
    assert apps - copied == {"bench", "sandbox", "tests"}
    let_in = re.findall(
        r"^!(\S+)$",
        (DEPLOY / "container/Dockerfile.dockerignore").read_text(),
        re.MULTILINE,
    )
    assert copied == set(let_in)
