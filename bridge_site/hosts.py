"""What staff see of the hosts: who lives, with which code, clock and memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backoffice.dashboard import Need, NeedKind, Role
from backoffice.formatting import Tone, ago, grouped, pill, when
from plumbing.hosts import Host, read_hosts
from plumbing.models import HostPart

SILENT = NeedKind(
    code="host", label=gettext_lazy("A host is silent"), roles=(Role.OWNER,)
)

PARTS = {
    "web": gettext_lazy("Site"),
    "dispatch": gettext_lazy("Orders at both sides"),
    "orders": gettext_lazy("Orders"),
    "imports": gettext_lazy("Imports and price list"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLine:
    """A host as a row of the overview's table."""

    name: str
    state: SafeString
    parts: str
    since: SafeString
    revision: str
    clock: str
    memory: str


def needs_of_hosts(rows: Sequence[HostPart], *, now: datetime) -> Iterator[Need]:
    """Tell of a host that fell silent beside others, and of one that stands aside."""
    hosts = read_hosts(rows, now=now)
    living = [host for host in hosts if host.silent_since is None]
    for host in hosts:
        if host.silent_since is not None and living:
            text = _("Host %(name)s is silent; last sign of life: %(since)s")
            figures = {"name": host.name, "since": ago(host.silent_since, now=now)}
            yield Need(
                tone=Tone.WARN, text=text % figures, kind=SILENT, subject=host.name
            )
    for host in living:
        if host.idle:
            text = _(
                "Host %(name)s has older code than the database and takes no work: "
                "update it"
            )
            yield Need(tone=Tone.WARN, text=text % {"name": host.name})


def read_host_lines(*, now: datetime) -> list[HostLine]:
    """Read the table of hosts; nothing before the first has told of itself."""
    return [_line(host, now=now) for host in read_hosts(_rows(), now=now)]


def _rows() -> Iterator[HostPart]:
    return HostPart.objects.order_by("host", "since", "part").iterator()


def _line(host: Host, *, now: datetime) -> HostLine:
    if host.silent_since is not None:
        state = pill(_("is silent"), Tone.BAD, hint=ago(host.silent_since, now=now))
    elif host.idle:
        state = pill(_("stands aside"), Tone.WARN, hint=host.idle[0].get_fit_display())
    else:
        state = pill(_("at work"), Tone.GOOD)
    sign = "−" if host.clock_apart_s < 0 else "+"
    clock = sign + number_format(abs(host.clock_apart_s), 1)
    return HostLine(
        name=host.name,
        state=state,
        parts=", ".join(str(PARTS.get(part.part, part.part)) for part in host.parts),
        since=format_html("{}", when(host.since, now=now)),
        revision=", ".join(filter(None, host.revisions)) or "—",
        clock=_("%(seconds)s s") % {"seconds": clock},
        memory=_("%(number)s MB")
        % {"number": grouped(round(host.memory_bytes / 1_000_000))},
    )
