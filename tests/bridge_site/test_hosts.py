"""What staff see of several hosts."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from bridge_site.hosts import SILENT
from bridge_site.workers import read_workers
from plumbing.models import HostPart
from tests.staff import log_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def two_hosts():
    now = timezone.now()
    for host, part, age, fit in (
        ("north", "web", 0, "fits"),
        ("north", "dispatch", 0, "fits"),
        ("south", "imports", 0, "older"),
        ("west", "web", 300, "fits"),
    ):
        HostPart.objects.create(
            host=host,
            part=part,
            since=now - timedelta(hours=2),
            seen_at=now - timedelta(seconds=age),
            revision="0123456789ab",
            memory_bytes=90_000_000,
            clock_apart_s=-2.5,
            fit=fit,
            works=fit == "fits",
        )


def told_silent():
    needs = read_workers(now=timezone.now()).needs
    return [need.subject for need in needs if need.kind is SILENT]


def test_the_overview_shows_each_host(two_hosts, settings):
    client = log_in(settings, "viewer")
    page = client.get(reverse("overview_health")).content.decode()
    table = page.split('id="hosts"')[1].split("</table>")[0]
    north, south, west = table.split("<tbody>")[1].split("<tr>")[1:]
    assert "at work" in north
    assert "180" in north, "the memory of both parts"
    assert "−2.5 s" in north
    assert "0123456789ab" in north
    assert "stands aside" in south
    assert "older than the database" in south
    assert "silent" in west


def test_who_fell_silent_beside_others_is_told_and_who_stands_aside_is_shown(
    two_hosts, settings
):
    needs = [
        need for need in read_workers(now=timezone.now()).needs if need.kind is SILENT
    ]
    assert [need.subject for need in needs] == ["west"]
    shown = log_in(settings, "owner").get(reverse("admin:index")).content.decode()
    assert "Host west is silent" in shown
    assert "Host south has older code than the database" in shown
    # All silent: nobody is there to tell of a single one.
    HostPart.objects.update(seen_at=timezone.now() - timedelta(hours=1))
    assert not [
        need for need in read_workers(now=timezone.now()).needs if need.kind is SILENT
    ]
