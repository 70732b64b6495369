"""The staff's accounts; and the queue's own pages taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import ManyToManyField, QuerySet
from django.forms import CheckboxSelectMultiple, ModelMultipleChoiceField
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_q.models import Failure, OrmQ, Schedule, Success

if TYPE_CHECKING:
    Accounts: TypeAlias = UserAdmin[User]
    GroupChoice: TypeAlias = ModelMultipleChoiceField[Group]
else:
    Accounts, GroupChoice = UserAdmin, ModelMultipleChoiceField

# Schedules are code, and a task's result may hold anything.
for model in (Failure, OrmQ, Schedule, Success, User):
    admin.site.unregister(model)
# Roles are declared in code; ticking a group's rights would last until the deploy.
admin.site.unregister(Group)

ROLE_NAMES = {
    "viewer": _("viewer: sees everything, changes nothing"),
    "operator": _("operator: goods, prices, imports, price list"),
    "owner": _("owner: everything, staff included"),
}


class RoleField(GroupChoice):
    """Roles by their names in the staff's language."""

    def label_from_instance(self, obj: Any) -> str:
        return str(ROLE_NAMES.get(obj.name, obj.name))


@admin.register(User)
class StaffUserAdmin(Accounts):
    """Accounts with roles. Rights beyond the roles are a superuser's to give."""

    list_display = ("username", "first_name", "last_name", "show_roles", "is_active")
    list_filter = ("is_active", "groups")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email")}),
        (_("Access"), {"fields": ("is_active", "is_staff", "groups")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "password1", "password2")}),
        (_("Access"), {"fields": ("is_staff", "groups")}),
    )
    filter_horizontal = ()

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelMultipleChoiceField[Any] | None:
        if db_field.name == "groups":
            kwargs |= {"form_class": RoleField, "widget": CheckboxSelectMultiple}
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_change_permission(
        self, request: HttpRequest, obj: User | None = None
    ) -> bool:
        may = super().has_change_permission(request, obj)
        return may and _is_within_reach(request, obj)

    def has_delete_permission(
        self, request: HttpRequest, obj: User | None = None
    ) -> bool:
        may = super().has_delete_permission(request, obj)
        return may and _is_within_reach(request, obj)

    @admin.display(description=_("roles"))
    def show_roles(self, obj: User) -> str:
        return ", ".join(group.name for group in obj.groups.all())

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")


def _is_within_reach(request: HttpRequest, obj: User | None) -> bool:
    # Who may set a superuser's password is one.
    return obj is None or not obj.is_superuser or bool(request.user.is_superuser)
