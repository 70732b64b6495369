"""Reads settings from the environment and remembers what is wrong with them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import environ
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")
Hours = tuple[int, int]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingProblem:
    """A setting that cannot be used as it stands; `bridge_site.checks` reports it."""

    name: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A setting as it was asked for: what it may be, and where its value is from."""

    name: str
    kind: str
    default: Any
    parse: Callable[[str], Any]
    # The environment or .env says something, right or wrong.
    is_set: bool
    at_least: int | None = None
    at_most: int | None = None
    choices: tuple[str, ...] = ()


@dataclass(slots=True)
class SettingsReader:
    """Typed reading of environment variables that never raises on a bad value.

    A bad value yields the default and a `SettingProblem`, so that one start shows
    every mistake at once. `NAME_FILE` names a file to read the value from.
    """

    problems: list[SettingProblem] = field(default_factory=list)
    declared: dict[str, Declaration] = field(default_factory=dict)
    env: Any = field(default_factory=environ.FileAwareEnv)

    def read_file(self, path: Path) -> None:
        """Load `NAME=value` lines; what the environment already has wins."""
        if path.is_file():
            self.env.read_env(str(path), encoding="utf-8-sig")

    def text(self, name: str, default: str = "") -> str:
        """Read text; surrounding blanks are dropped."""
        raw = self._raw(name)
        self._declare(name, "text", default, str, is_set=raw is not None)
        return default if raw is None else raw

    def flag(self, name: str, *, default: bool) -> bool:
        def parse(raw: str) -> bool:
            if raw.lower() in TRUE:
                return True
            if raw.lower() in FALSE:
                return False
            raise ValueError("must be 1 or 0")

        return self._parsed(name, "flag", default, parse)

    def integer(
        self, name: str, default: int, *, at_least: int = 0, at_most: int | None = None
    ) -> int:
        """Read a whole number within the bounds."""
        bounds = _told(at_least, at_most)

        def parse(raw: str) -> int:
            if not re.fullmatch(r"-?\d+", raw) or not _is_within(
                int(raw), at_least, at_most
            ):
                raise ValueError(f"must be a whole number {bounds}")
            return int(raw)

        return self._parsed(
            name, "integer", default, parse, at_least=at_least, at_most=at_most
        )

    def number(
        self, name: str, default: str, *, at_least: int = 0, at_most: int | None = None
    ) -> Decimal:
        """Read a decimal number within the bounds."""
        bounds = _told(at_least, at_most)

        def parse(raw: str) -> Decimal:
            try:
                value = Decimal(raw)
            except InvalidOperation:
                value = Decimal("NaN")
            if not value.is_finite() or not _is_within(value, at_least, at_most):
                raise ValueError(f"must be a number {bounds}")
            return value

        return self._parsed(
            name, "number", Decimal(default), parse, at_least=at_least, at_most=at_most
        )

    def choice(self, name: str, default: str, *others: str) -> str:
        """Read one of a few words."""
        known = (default, *others)

        def parse(raw: str) -> str:
            if raw.lower() not in known:
                raise ValueError(f"must be one of {', '.join(known)}")
            return raw.lower()

        return self._parsed(name, "choice", default, parse, choices=known)

    def several(self, name: str, *known: str) -> list[str]:
        """Read some of a few words, with commas; they come in their own order."""

        def parse(raw: str) -> list[str]:
            parts = {part.strip().lower() for part in raw.split(",")} - {""}
            if parts - set(known):
                raise ValueError(f"must be some of {', '.join(known)}, with commas")
            return [word for word in known if word in parts]

        return self._parsed(name, "several", [], parse, choices=known)

    def url(self, name: str, default: str = "", *, schemes: Sequence[str]) -> str:
        """Read a URL without its trailing slash; empty stays empty."""

        def parse(raw: str) -> str:
            parts = urlsplit(raw)
            if parts.scheme not in schemes or not parts.hostname:
                raise ValueError(f"must be a URL that begins with {schemes[0]}://")
            return raw.rstrip("/")

        return self._parsed(name, "url", default, parse)

    def path(self, name: str, default: str) -> str:
        """Read a part of an address, without slashes around it."""

        def parse(raw: str) -> str:
            if not re.fullmatch(r"/*[A-Za-z0-9][A-Za-z0-9_/-]*", raw):
                raise ValueError("must be letters, digits, - and _, such as back-door")
            return re.sub(r"/+", "/", raw).strip("/")

        return self._parsed(name, "path", default, parse)

    def names(self, name: str, default: Sequence[str] = ()) -> list[str]:
        """Read a comma-separated list."""

        def parse(raw: str) -> list[str]:
            return [part.strip() for part in raw.split(",") if part.strip()]

        return self._parsed(name, "names", [*default], parse) or [*default]

    def integers(
        self, name: str, default: Sequence[int], *, at_most: int | None = None
    ) -> list[int]:
        """Read a comma-separated list of whole numbers of at least 1."""
        bounds = _told(1, at_most)

        def parse(raw: str) -> list[int]:
            parts = [part.strip() for part in raw.split(",")]
            if not all(p.isdecimal() and _is_within(int(p), 1, at_most) for p in parts):
                raise ValueError(f"must be whole numbers {bounds}, with commas")
            return [int(part) for part in parts]

        return self._parsed(name, "integers", [*default], parse)

    def hours(
        self, name: str, default: tuple[int, int] | None
    ) -> tuple[int, int] | None:
        """Read two hours of a day, "22-8"; "-" is none."""

        def parse(raw: str) -> Hours | None:
            if raw == "-":
                return None
            found = re.fullmatch(r"(\d{1,2})-(\d{1,2})", raw)
            hours = [int(hour) for hour in found.groups()] if found else []
            if not hours or max(hours) > 24 or hours[0] == hours[1]:
                raise ValueError('must be hours like 22-8, or "-" for none')
            return hours[0] % 24, hours[1] % 24

        return self._parsed(name, "hours", default, parse)

    def clock(self, name: str, default: time | None) -> time | None:
        """Read a time of day, "9:00"; "-" is never."""

        def parse(raw: str) -> time | None:
            if raw == "-":
                return None
            found = re.fullmatch(r"(\d{1,2}):(\d{2})", raw)
            if not found or int(found[1]) > 23 or int(found[2]) > 59:
                raise ValueError('must be a time like 9:00, or "-" for never')
            return time(int(found[1]), int(found[2]))

        return self._parsed(name, "clock", default, parse)

    def addresses(self, name: str) -> list[str]:
        """Read addresses of any scheme, apart by blanks or commas; none is repeated."""

        def parse(raw: str) -> list[str]:
            parts = re.split(r"[\s,]+(?=[a-z][a-z0-9+.-]*://)", raw, flags=re.I)
            found = [part.strip(", ") for part in parts if part.strip(", ")]
            for place, part in enumerate(found, start=1):
                if not re.fullmatch(r"[a-z][a-z0-9+.-]*://\S+", part, flags=re.I):
                    # The address itself would be a secret in a log.
                    raise ValueError(f"must be addresses like tgram://…; not №{place}")
            return list(dict.fromkeys(found))

        nothing: list[str] = []
        return self._parsed(name, "addresses", nothing, parse)

    def networks(self, name: str, default: str = "-") -> tuple[Network, ...]:
        """Read a comma-separated list of networks or single addresses; "-" is none."""

        def parse(raw: str) -> tuple[Network, ...]:
            if raw == "-":
                return ()
            parts = [part.strip() for part in raw.split(",") if part.strip()]
            try:
                return tuple(ipaddress.ip_network(part, strict=False) for part in parts)
            except ValueError:
                raise ValueError("must be networks such as 203.0.113.0/24") from None

        return self._parsed(name, "networks", parse(default), parse)

    def database(self, name: str, default: str) -> dict[str, Any]:
        """Read a database URL: SQLite or PostgreSQL."""
        return self._parsed(name, "database", parse_database(default), parse_database)

    def _raw(self, name: str) -> str | None:
        try:
            # The raw mapping is asked first: environ's own str() resolves "$NAME"
            # inside a value to another variable, which a password may contain.
            raw = self.env.ENVIRON.get(name)
        except (ImproperlyConfigured, OSError, UnicodeDecodeError):
            self._reject(name, f"the file that {name}_FILE names cannot be read")
            return None
        return None if raw is None else str(raw).strip()

    def _parsed(
        self,
        name: str,
        kind: str,
        default: T,
        parse: Callable[[str], T],
        **bounds: Any,
    ) -> T:
        raw = self._raw(name)
        self._declare(name, kind, default, parse, is_set=bool(raw), **bounds)
        if not raw:
            return default
        try:
            return parse(raw)
        except ValueError as error:
            self._reject(name, str(error))
            return default

    def _declare(
        self,
        name: str,
        kind: str,
        default: Any,
        parse: Callable[[str], Any],
        *,
        is_set: bool,
        **bounds: Any,
    ) -> None:
        self.declared[name] = Declaration(
            name=name, kind=kind, default=default, parse=parse, is_set=is_set, **bounds
        )

    def _reject(self, name: str, message: str) -> None:
        self.problems.append(SettingProblem(name=name, message=message))


def parse_database(raw: str) -> dict[str, Any]:
    """Read a database URL; raises `ValueError` with words that do not repeat it."""
    try:
        config: dict[str, Any] = environ.Env.db_url_config(raw)
    except Exception:
        # Its own message repeats the URL, which holds the password.
        config = {}
    if config.get("ENGINE", "").rpartition(".")[2] not in ("sqlite3", "postgresql"):
        raise ValueError("must begin with sqlite:/// or postgres://")
    return config


def with_our_options(config: dict[str, Any]) -> dict[str, Any]:
    """Have a database used as all of ours are."""
    if not config["ENGINE"].endswith("sqlite3"):
        # A database that fell silent is noticed within a minute, not in two hours.
        options = {
            "connect_timeout": 10,
            "tcp_user_timeout": 30_000,
            "keepalives_idle": 20,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            **config.get("OPTIONS", {}),
        }
        usual = {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
        return {**usual, **config, "OPTIONS": options}
    options = {
        **config.get("OPTIONS", {}),
        # IMMEDIATE: a transaction that reads first and writes later would otherwise
        # fail at once, whatever the timeout, when another one wrote in between.
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
            "PRAGMA foreign_keys=ON; PRAGMA cache_size=-16000;"
        ),
    }
    return {**config, "OPTIONS": options}


def queue_at(url: str) -> dict[str, str]:
    """Tell django-q where tasks wait: in a Redis, or in the database if there is none.

    A Redis that fell silent is noticed, unless the address says otherwise.
    """
    if not url:
        return {"orm": "default"}
    parts = urlsplit(url)
    usual = {"socket_timeout": "10", "socket_connect_timeout": "5"}
    query = {**usual, "health_check_interval": "30", **dict(parse_qsl(parts.query))}
    return {"redis": urlunsplit(parts._replace(query=urlencode(query)))}


def _is_within(value: Decimal | int, at_least: int, at_most: int | None) -> bool:
    return value >= at_least and (at_most is None or value <= at_most)


def _told(at_least: int, at_most: int | None) -> str:
    if at_most is None:
        return f"of at least {at_least}"
    return f"from {at_least} to {at_most}"
