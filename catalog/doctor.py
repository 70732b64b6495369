"""What an examination looks at of Al-Style and the goods."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backoffice.examining import CALL_S, PATIENCE_S, Check, Finding, look_at_peer
from backoffice.formatting import ago
from catalog.alstyle.client import open_client
from catalog.models import ImportRun

SETUP = gettext_lazy("Set it in .env and restart the bridge.")


def look_at_token(check: Check) -> Iterator[Finding]:
    """Ask for the date of the supplier's data."""
    if not settings.ALSTYLE_TOKEN:
        yield check.fail(_("ALSTYLE_TOKEN is not set"), advice=str(SETUP))
        return
    with open_client() as client:
        client.peer.be_brief(timeout_s=CALL_S, patience_s=PATIENCE_S)
        yield from look_at_peer(
            check,
            client.peer,
            lambda: _("The token works; data of %(date)s") % {"date": client.date()},
            setting="ALSTYLE_TOKEN",
        )


def look_at_imports(check: Check) -> Iterator[Finding]:
    """See whether stock was read lately."""
    done = ImportRun.objects.filter(status=ImportRun.Status.DONE)
    last = done.filter(kind=ImportRun.Kind.STOCK).order_by("-started_at").first()
    if last is None:
        yield check.warn(
            _("Stock and prices have not been read yet"),
            advice=_("Press “Sync now”, or wait for the schedule."),
        )
        return
    text = _("Stock and prices were read %(since)s")
    text %= {"since": ago(last.started_at, now=now())}
    age_min = (now() - last.started_at).total_seconds() / 60
    if age_min > settings.STOCK_STALE_AFTER_MIN:
        advice = _("All goods are off sale: see in Imports why the readings fail.")
        yield check.fail(text, advice=advice)
    elif age_min > 3 * settings.SYNC_STOCK_EVERY_MIN:
        yield check.warn(text, advice=_("See in Imports why the last ones failed."))
    else:
        yield check.ok(text)


CHECKS = (
    Check(
        code="alstyle",
        title=gettext_lazy("Al-Style's token"),
        look=look_at_token,
        is_live=True,
    ),
    Check(code="imports", title=gettext_lazy("Imports"), look=look_at_imports),
)
