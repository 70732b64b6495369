"""Tells faults to Sentry, if the owner wants it, with nothing secret and no buyer.

sentry-sdk is installed by whoever wants it (`pip install sentry-sdk` in `.venv`), and
loaded only where `SENTRY_DSN` is set.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from django.conf import settings

from bridge_site.revision import revision
from plumbing import tracing
from plumbing.logfile import part_name
from plumbing.logs import scrubbed

# What of an event may name a person or hold what a page was sent.
LEFT_OUT = ("user", "server_name", "extra", "modules")
OF_REQUEST = ("method",)


def is_installed() -> bool:
    return find_spec("sentry_sdk") is not None


def start_sentry() -> None:
    """Begin to tell, or do nothing; that the package is missing a check says."""
    if not settings.SENTRY_DSN or not is_installed():
        return
    import sentry_sdk

    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        environment=settings.SENTRY_ENVIRONMENT,
        release=revision() or None,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        # What led to a fault stands in our log; addresses in it carry tokens.
        max_breadcrumbs=0,
        traces_sample_rate=None,
        auto_session_tracking=False,
        before_send=scrub,
    )


def scrub(event: Any, _hint: Any) -> Any:
    """Take out of an event whatever is secret or a buyer's; give it the ids of the log.

    What a page was asked for, with which cookies and headers, goes whole.
    """
    kept = {name: value for name, value in event.items() if name not in LEFT_OUT}
    if request := kept.pop("request", None):
        kept["request"] = {k: v for k, v in request.items() if k in OF_REQUEST}
    told = scrubbed(kept)
    told["tags"] = {
        **told.get("tags", {}),
        "part": part_name(),
        **tracing.ids(),
    }
    return told
