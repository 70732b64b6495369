"""The guides open in the admin, and each page leads to its place in them."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from bridge_site.guides.places import PLACES, place_of
from bridge_site.guides.reading import GUIDES, read_guide
from bridge_site.roles import OUR_APPS, ROLES, set_staff, sync_roles
from feeds.models import Proposal
from tests.texts import read_catalogue

HELP = re.compile(r'class="help-link" href="([^"]+)"')
QUOTED = re.compile(r"«([^»]+)»")
NAMED = re.compile(r"%\(\w+\)[sd]")
INSIDE = re.compile(r'(?:href|src)="([^"]*)"')


def client_of(role: str) -> Client:
    sync_roles()
    set_staff(role, role=role, password="a-long-password")
    client = Client()
    client.force_login(User.objects.get(username=role))
    return client


def test_every_place_that_pages_lead_to_is_there():
    for guide, anchor in PLACES.values():
        assert f' id="{anchor}">' in read_guide(guide)[1], (guide, anchor)


@pytest.mark.django_db
def test_every_list_of_ours_leads_to_a_place_of_its_own():
    client = client_of("owner")
    ours = (m for m in admin.site._registry if m._meta.app_label in OUR_APPS)
    # Proposals have no list, only pages.
    models = [model for model in ours if model is not Proposal]
    assert len(models) > 20
    addresses = [m._meta.label_lower.replace(".", "_") for m in models]
    for address in (*addresses, "auth_user"):
        url = reverse(f"admin:{address}_changelist")
        guide, anchor = place_of(url.removeprefix(reverse("admin:index")))
        found = HELP.findall(client.get(url).content.decode())
        assert found == [f"/admin/help/{guide}/#{anchor}"], url
        assert (guide, anchor) != PLACES[""], url


@pytest.mark.django_db
@pytest.mark.parametrize("role", ROLES)
def test_all_staff_may_read_all_guides(role):
    client = client_of(role)
    assert client.get(reverse("guides")).status_code == 200
    for guide in GUIDES:
        page = client.get(reverse("guide", args=[guide])).content.decode()
        title, html = read_guide(guide)
        assert html in page
        assert f'<h1 lang="ru">{title}</h1>' in page
    assert client.get("/admin/help/settings/").status_code == 404


@pytest.mark.django_db
def test_a_stranger_is_asked_to_log_in():
    answer = Client().get(reverse("guide", args=["owner"]))
    assert answer.status_code == 302
    assert "/login/" in answer.headers["Location"]


def test_guides_speak_in_the_words_of_the_screens():
    said = [
        NAMED.sub("…", text).replace(chr(160), " ").casefold()
        for entry in read_catalogue("ru")
        for name, text in entry.items()
        if name.startswith("msgstr")
    ]
    # Django says this one.
    said.append("изменить пароль")
    for guide in GUIDES:
        for words in QUOTED.findall(read_guide(guide)[1]):
            quoted = words.casefold()
            is_button = quoted.endswith("…") and not quoted.endswith(" …")
            assert any(
                quoted == text if is_button else quoted in text for text in said
            ), f"{guide}: {words}"


def test_guides_need_nothing_from_outside():
    seen = set()
    for guide in GUIDES:
        for address in INSIDE.findall(read_guide(guide)[1]):
            seen.add(address.rpartition(".")[2])
            assert address.startswith(("/admin/help/", "/static/guides/")), address
    assert "png" in seen
