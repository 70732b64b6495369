"""The forms of the staff's accounts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from backoffice.pages import GenericForm
from bridge_site.models import TemporaryPassword
from bridge_site.roles import ROLES, LastOwner, refuse_last_owner
from bridge_site.staff.accounts import (
    give_role,
    let_see_earnings,
    may_see_earnings,
    role_of,
)

ROLE_NAMES = {
    "viewer": _("viewer"),
    "packer": _("packer"),
    "operator": _("operator"),
    "owner": _("owner"),
}
ROLE_DUTIES = {
    "viewer": _("viewer: sees everything but buyers' data, changes nothing"),
    "packer": _("packer: waybills, parcels, hand-over"),
    "operator": _("operator: orders, goods, prices, imports, the price list"),
    "owner": _("owner: everything, staff and settings included"),
}
LAST_OWNER = _(
    "This is the only owner who can sign in: without one nobody could let anybody in. "
    "Make somebody else an owner first."
)


class PersonForm(GenericForm[User]):
    """A person and their role; the right to sign in to the admin follows the role."""

    role = forms.ChoiceField(
        label=_("Role"),
        choices=[(role, ROLE_DUTIES.get(role, role)) for role in ROLES],
        widget=forms.RadioSelect,
    )
    sees_earnings = forms.BooleanField(
        label=_("Sees the profit report"),
        required=False,
        help_text=_(
            "What the shop earns, with costs and commission: by day, product, brand "
            "and order. An owner sees it anyway."
        ),
    )

    class Meta:
        model = User
        fields: tuple[str, ...] = ("first_name", "last_name", "email")
        # Django's tells what a name may hold, and it is not chosen here.
        help_texts = {"username": ""}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["role"].initial = role_of(self.instance)
            self.fields["sees_earnings"].initial = may_see_earnings(self.instance)
            # Rights beyond the roles: a person may have these without a role.
            self.fields["role"].required = not self.instance.is_superuser
        # A viewer's form has no fields.
        if "first_name" in self.fields:
            self.fields["first_name"].required = True
            self.fields["first_name"].label = _("First name")

    def clean_role(self) -> str:
        role = str(self.cleaned_data["role"])
        if self.instance.pk and role != "owner":
            try:
                refuse_last_owner(self.instance)
            except LastOwner:
                raise ValidationError(LAST_OWNER) from None
        return role


class NewPersonForm(PersonForm):
    """A person's account with the password for the first time."""

    chosen_password = forms.CharField(
        label=_("Temporary password"),
        required=False,
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=_(
            "Leave it blank: one is made up and shown once. The person has to change "
            "it when they sign in."
        ),
    )

    class Meta(PersonForm.Meta):
        fields = ("username", "first_name", "last_name", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].help_text = _(
            "What the person types to sign in; it cannot be changed later, for it "
            "stands beside what they did. Letters and digits without spaces: aigul, "
            "s.ivanov."
        )

    def clean_username(self) -> str:
        username = str(self.cleaned_data["username"])
        if User.objects.filter(username__iexact=username).exists():
            raise ValidationError(_("There is somebody of this name already."))
        return username

    def _post_clean(self) -> None:
        # The person's name is known only now, and a password may not be like it.
        super()._post_clean()  # type: ignore[misc]
        check_password(self, self.instance)


class TemporaryPasswordForm(forms.Form):
    """Asks for a temporary password, or lets one be made up."""

    chosen_password = forms.CharField(
        label=_("Temporary password"),
        required=False,
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=_("Leave it blank: one is made up."),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean(self) -> dict[str, Any] | None:
        data = super().clean()
        check_password(self, self.user)
        return data


class OwnPasswordForm(PasswordChangeForm):
    """A person's own new password; a temporary one is over with it."""

    def clean(self) -> dict[str, Any] | None:
        data = super().clean()
        chosen = self.cleaned_data.get("new_password1")
        if chosen and chosen == self.cleaned_data.get("old_password"):
            text = _("This is the old password: think of another one.")
            self.add_error("new_password1", ValidationError(text))
        return data

    @transaction.atomic
    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002  (Django's)
        user = super().save(commit)
        TemporaryPassword.objects.filter(user=user).delete()
        return user


def check_password(form: forms.BaseForm, user: User) -> None:
    """Refuse a chosen password that is short, common or like the person's name."""
    chosen = form.cleaned_data.get("chosen_password")
    if chosen:
        try:
            validate_password(chosen, user)
        except ValidationError as error:
            form.add_error("chosen_password", error)


def save_role(form: forms.BaseForm, user: User) -> None:
    """Give the account the role that was chosen, if one was, and what goes beyond."""
    role = form.cleaned_data.get("role")
    if role and role != role_of(user):
        give_role(user, role)
    let_see_earnings(user, may=bool(form.cleaned_data.get("sees_earnings")))
