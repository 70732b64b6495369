"""Real nginx and Apache with the files of deploy/, only paths and ports put in."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from ssl import CERT_NONE, SSLContext, create_default_context
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
HOST = "bridge.example"
PROGRAMS = ("nginx", "apache2", "openssl", "ab")
MODULES = Path("/usr/lib/apache2/modules")
# What Debian's Apache has without being asked; the rest is named in deploy/.
USUAL = (
    *("mpm_event", "authz_core", "authz_host", "auth_basic", "authn_core"),
    *("authn_file", "authz_user", "alias", "dir", "env", "filter", "mime"),
    # And what a2enmod enables along with those that are named.
    *("setenvif", "socache_shmcb", "unique_id"),
)
# Whoever answers Kaspi has no right to the bridge's other files.
NOBODY = "www-data"
NGINX = """\
daemon off;
worker_processes 1;
pid {run}/nginx.pid;
error_log {run}/error.log;
events {{ worker_connections 768; }}
http {{
    include /etc/nginx/mime.types;
    access_log {run}/access.log;
    client_body_temp_path {run}/body;
    proxy_temp_path {run}/proxy;
    fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi;
    scgi_temp_path {run}/scgi;
    include {run}/site.conf;
}}
"""
HTTPD = """\
ServerRoot {run}
DefaultRuntimeDir {run}
PidFile {run}/apache.pid
Mutex file:{run} default
ErrorLog {run}/error.log
TypesConfig /dev/null
ServerName localhost
Listen 127.0.0.1:{http}
Listen 127.0.0.1:{https}
<Directory />
    Require all denied
</Directory>
{modules}
SecDataDir {run}
Include {run}/site.conf
"""


def missing_programs() -> list[str]:
    """Name what must be installed first."""
    missing = [name for name in PROGRAMS if not _find(name)]
    if not (MODULES / "mod_security2.so").is_file():
        missing.append("libapache2-mod-security2")
    return missing


def _find(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def free_ports(number: int) -> list[int]:
    held = [socket.socket() for _port in range(number)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Folders that the servers may enter, as on a host: not pytest's own."""

    path: Path

    @property
    def feed(self) -> Path:
        return self.path / "feed"

    def make(self) -> None:
        self.path.chmod(0o755)
        shutil.copytree(DEPLOY, self.path / "project" / "deploy")
        self.feed.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.feed, group=NOBODY)
        self.feed.chmod(0o2750)
        key, certificate = self.path / "key.pem", self.path / "certificate.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"]
        command += ["-subj", f"/CN={HOST}", "-keyout", str(key)]
        subprocess.run(
            [*command, "-out", str(certificate)], check=True, capture_output=True
        )
        if os.geteuid() == 0:
            shutil.chown(key, NOBODY)


@dataclass(kw_only=True)
class WebServer:
    """One of the two, in front of a bridge at `behind`."""

    name: str
    ground: Ground
    behind: int
    http: int = 0
    https: int = 0
    process: subprocess.Popen[bytes] | None = None
    _tls: SSLContext = field(default_factory=create_default_context)

    @property
    def run(self) -> Path:
        return self.ground.path / self.name

    def start(self) -> None:
        self.http, self.https = free_ports(2)
        self._tls.check_hostname = False
        self._tls.verify_mode = CERT_NONE
        self.run.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.run, NOBODY, NOBODY)
        (self.run / "site.conf").write_text(self.site(), "utf-8")
        (self.run / "main.conf").write_text(self.main(), "utf-8")
        main = str(self.run / "main.conf")
        if self.name == "nginx":
            command = [_find("nginx"), "-p", str(self.run), "-c", main]
            command += ["-e", str(self.run / "error.log")]
        else:
            command = [_find("apache2"), "-f", main, "-DFOREGROUND"]
        user = NOBODY if os.geteuid() == 0 else None
        self.process = subprocess.Popen(
            [str(part) for part in command],
            user=user,
            group=user,
            extra_groups=[] if user else None,
        )
        until = time.monotonic() + 20
        while not self._listens():
            assert self.process.poll() is None, self.told()
            assert time.monotonic() < until, self.told()
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)

    def told(self) -> str:
        log = self.run / "error.log"
        return log.read_text("utf-8", "replace")[-4000:] if log.exists() else ""

    def site(self) -> str:
        """Give the file of deploy/ with this ground's paths and ports."""
        ground = self.ground.path
        text = (DEPLOY / f"{self.name}.conf").read_text("utf-8")
        for found, put in {
            "/srv/kaspi-feed": str(self.ground.feed),
            "/opt/kaspi-bridge": str(ground / "project"),
            f"/etc/letsencrypt/live/{HOST}/fullchain.pem": f"{ground}/certificate.pem",
            f"/etc/letsencrypt/live/{HOST}/privkey.pem": f"{ground}/key.pem",
            "/var/log/nginx": str(self.run),
            "127.0.0.1:8000": f"127.0.0.1:{self.behind}",
            "<VirtualHost *:80>": f"<VirtualHost *:{self.http}>",
            "<VirtualHost *:443>": f"<VirtualHost *:{self.https}>",
            "listen 80;": f"listen 127.0.0.1:{self.http};",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.https} ssl;",
        }.items():
            text = text.replace(found, put)
        return re.sub(r"(?m)^\s*listen \[::\].*$", "", text)

    def main(self) -> str:
        if self.name == "nginx":
            return NGINX.format(run=self.run)
        text = (DEPLOY / "apache.conf").read_text("utf-8")
        asked = re.findall(r"a2enmod (.+)", text)[0].split()
        modules = "\n".join(
            f"LoadModule {name}_module {MODULES}/mod_{name}.so"
            for name in (*USUAL, *asked)
        )
        return HTTPD.format(
            run=self.run, http=self.http, https=self.https, modules=modules
        )

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.http)) == 0

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        scheme: str = "https",
        caller: str = "127.0.0.1",
        body: Any = None,
        timeout_s: float = 20,
        **headers: str,
    ) -> tuple[HTTPResponse, bytes]:
        """Ask for a page from one of this computer's addresses."""
        connection = self.connect(scheme=scheme, caller=caller, timeout_s=timeout_s)
        try:
            connection.request(
                method,
                url,
                body=body,
                headers={"Host": HOST, **_named(headers)},
            )
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def connect(
        self, *, scheme: str = "https", caller: str = "127.0.0.1", timeout_s: float = 20
    ) -> HTTPConnection:
        if scheme == "http":
            return HTTPConnection(
                "127.0.0.1", self.http, timeout=timeout_s, source_address=(caller, 0)
            )
        return HTTPSConnection(
            "127.0.0.1",
            self.https,
            timeout=timeout_s,
            source_address=(caller, 0),
            context=self._tls,
        )


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
