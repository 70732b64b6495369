from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command

from bridge_site.roles import (
    OPERATOR,
    PERSONAL,
    ROLES,
    UnknownPermission,
    permissions_of,
    set_staff,
    sync_roles,
)

pytestmark = pytest.mark.django_db


def granted(role: str) -> set[str]:
    rows = Group.objects.get(name=role).permissions.select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}" for row in rows}


def test_a_second_sync_changes_nothing():
    assert sync_roles() == len(ROLES)
    assert sync_roles() == 0


def test_what_was_changed_by_hand_is_put_right():
    sync_roles()
    Group.objects.get(name="viewer").permissions.set(Permission.objects.all()[:3])
    assert sync_roles() == 1
    assert all(".view_" in name for name in granted("viewer"))


def test_a_viewer_sees_everything_and_changes_nothing():
    sync_roles()
    seen = granted("viewer")
    assert {"catalog.view_product", "feeds.view_feedbuild"} <= seen
    assert {name for name in seen if ".view_" not in name} == set()


def test_only_those_who_deal_with_buyers_see_their_data():
    sync_roles()
    assert "orders.view_order" in granted("viewer")
    assert not PERSONAL & granted("viewer")
    assert "orders.view_buyer_data" in granted("operator")
    assert "orders.view_buyer_data" in granted("owner")


def test_a_packer_packs_and_sees_neither_prices_nor_buyers():
    sync_roles()
    assert granted("packer") == {
        "orders.assemble_order",
        "orders.complete_order",
        "orders.pack_order",
        "orders.view_order",
    }


def test_an_operator_works_but_neither_overrides_nor_manages_staff():
    sync_roles()
    may = granted("operator")
    assert may >= OPERATOR
    assert "feeds.override_feed" not in may
    assert not {name for name in may if name.startswith("auth.")}


def test_an_owner_overrides_and_manages_staff_but_edits_no_schedule():
    sync_roles()
    may = granted("owner")
    assert {"feeds.override_feed", "auth.add_user", "catalog.change_product"} <= may
    # A schedule is a function's name: editing one is running code.
    assert "django_q.change_schedule" not in may
    assert "django_q.add_schedule" not in may


def test_a_role_cannot_name_what_no_model_declares():
    with pytest.raises(UnknownPermission, match=r"catalog\.publish_product"):
        permissions_of("operator", known={"catalog.view_product"})


def test_staff_get_a_role_and_a_new_password_each_time(capsys):
    call_command("create_staff", "aigul", "--role", "operator")
    first = capsys.readouterr().out.split()[-1]
    user = User.objects.get(username="aigul")
    assert user.is_staff
    assert not user.is_superuser
    assert user.check_password(first)
    assert [group.name for group in user.groups.all()] == ["operator"]
    second = set_staff("aigul", role="viewer")
    user.refresh_from_db()
    assert user.check_password(second)
    assert not user.check_password(first)
    assert [group.name for group in user.groups.all()] == ["viewer"]
