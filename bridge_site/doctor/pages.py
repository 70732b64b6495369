"""The page of the examination."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from backoffice.examining import State, worst
from backoffice.formatting import Tone, pill
from backoffice.pages import log_action
from bridge_site.doctor.examination import CHECKS, examine_bridge
from plumbing.clocks import now_to_show
from plumbing.models import Heartbeat

PERMISSION = "bridge_site.examine_bridge"
TONES = {State.OK: Tone.GOOD, State.WARN: Tone.WARN, State.FAIL: Tone.BAD}


def doctor_page(request: HttpRequest) -> TemplateResponse:
    """Look at what is here; when the button is pressed, over the network, too."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    with_calls = request.method == "POST"
    findings = examine_bridge(with_calls=with_calls)
    if with_calls:
        log_action(request, Heartbeat, _("The bridge was examined"))
    words = {
        State.OK: _("in order"),
        State.WARN: _("look"),
        State.FAIL: _("broken"),
    }
    rows = [(f, pill(words[f.state], TONES[f.state])) for f in findings]
    all_well, amiss = _("Everything is in order"), _("Something needs you")
    state = worst(findings)
    context = {
        **admin.site.each_context(request),
        "title": _("Examination"),
        "summary": all_well if state == State.OK else amiss,
        "tone": TONES[state].value,
        "troubles": [row for row in rows if row[0].state != State.OK],
        "well": [row for row in rows if row[0].state == State.OK],
        "with_calls": with_calls,
        "not_asked": [] if with_calls else [c.title for c in CHECKS if c.is_live],
        "at": now_to_show(),
    }
    return TemplateResponse(request, "bridge/doctor.html", context)
