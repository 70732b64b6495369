"""Every action of every list is done for those who may, and refused to the others."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.urls import reverse

from bridge_site.roles import ROLES
from tests.orders.factories import make_order
from tests.staff import furnish, log_in, log_in_superuser

pytestmark = pytest.mark.django_db


def every_action():
    model_admin: Any
    for model, model_admin in admin.site._registry.items():
        for _function, name, _label in model_admin._get_base_actions():
            yield model, model_admin, name


def may_do(model_admin, name, user):
    """Ask the permission that an action names for itself."""
    functions = {n: function for function, n, _label in model_admin._get_base_actions()}
    asked = getattr(functions[name], "allowed_permissions", ())
    assert asked, f"{model_admin}: {name} asks for no permission of its own"
    request = RequestFactory().post("/")
    request.user = user
    return any(
        getattr(model_admin, f"has_{right}_permission")(request) for right in asked
    )


def post(client, model, name):
    opts = model._meta
    url = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    chosen = list(model.objects.values_list("pk", flat=True)[:2])
    return client.post(url, {"action": name, "_selected_action": chosen})


@pytest.mark.parametrize("role", ROLES)
def test_actions_are_done_or_refused_by_the_rights_of_the_role(
    settings, tmp_path, role
):
    furnish(settings, tmp_path)
    make_order()
    client = log_in(settings, role)
    user = User.objects.get(username=role)
    for model, model_admin, name in every_action():
        may = may_do(model_admin, name, user)
        assert not (may and role == "viewer"), name
        answer = post(client, model, name)
        assert (answer.status_code == 403) is not may, (model, name, answer)


def test_strangers_are_asked_to_sign_in(client):
    for model, _model_admin, name in every_action():
        answer = post(client, model, name)
        assert answer.status_code == 302
        assert answer.url.startswith(reverse("admin:login"))


def test_an_action_that_does_not_exist_is_refused(settings):
    client = log_in_superuser(settings)
    for model in admin.site._registry:
        assert post(client, model, "no_such_action").status_code == 403


def test_every_list_of_the_admin_refuses_forbidden_actions():
    for model_admin in admin.site._registry.values():
        assert hasattr(model_admin, "_refuse_forbidden_actions"), model_admin
