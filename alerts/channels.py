"""The channels that messages go by: those of the admin, and those of ALERT_URLS."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _

from alerts.couriers import Answer, fingerprint, seal
from alerts.models import Channel


class WrongAddress(Exception):
    """The address cannot be used; says why, and nothing of the address."""


def sync_environment() -> None:
    """Keep a row for each address of ALERT_URLS, so that its health is seen."""
    wanted = {fingerprint(url): url for url in settings.ALERT_URLS}
    known = Channel.objects.exclude(fingerprint="")
    if set(known.values_list("fingerprint", flat=True)) == set(wanted):
        return
    known.exclude(fingerprint__in=wanted).delete()
    for number, (mark, url) in enumerate(wanted.items(), start=1):
        Channel.objects.get_or_create(
            fingerprint=mark,
            defaults={"name": f"ALERT_URLS №{number}", "scheme": scheme_of(url)},
        )


def address_of(channel: Channel) -> dict[str, str]:
    """Give what a courier needs to know of where a channel's messages go."""
    if not channel.is_from_environment:
        return {"sealed": channel.sealed_url}
    for url in settings.ALERT_URLS:
        if fingerprint(url) == channel.fingerprint:
            return {"url": url}
    # Taken out of the settings since the last look.
    return {"url": ""}


def seal_address(url: str) -> tuple[str, str]:
    """Return the sealed address and its scheme; raises `WrongAddress`."""
    answer: Answer = seal(url)
    if not answer.ok:
        raise WrongAddress(answer.error or _("Apprise does not understand the address"))
    return answer.sealed, scheme_of(url)


def scheme_of(url: str) -> str:
    return url.partition("://")[0].lower()[:40]
