"""The staff's pages: who may sign in as what, and who did what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format as format_date
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from backoffice.confirming import answer_form, ask
from backoffice.formatting import Tone, absolute, pill, two_lines, when
from backoffice.pages import Button, StaffAdmin, log_objects
from bridge_site.roles import SEES_EARNINGS, LastOwner
from bridge_site.staff import accounts
from bridge_site.staff.deeds import read_deeds
from bridge_site.staff.forms import (
    LAST_OWNER,
    ROLE_NAMES,
    NewPersonForm,
    PersonForm,
    TemporaryPasswordForm,
    save_role,
)
from bridge_site.staff.guarding import Locked, locked_names, unlock
from bridge_site.staff.second_factor import (
    device_of,
    must_have_device,
    take_away,
    with_second_factor,
)
from bridge_site.staff.signing_in import has_temporary_password

CHANGE = "auth.change_user"
VIEW = "auth.view_user"
MOST_ADDRESSES_TOLD = 3
STATE = (
    *("username", "show_state", "show_second_factor", "show_last_login"),
    "show_sessions",
)
SEES = "sees_earnings"


class RoleFilter(admin.SimpleListFilter):
    title = _("role")
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(ROLE_NAMES.items())

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[User]
    ) -> QuerySet[User]:
        return queryset.filter(groups__name=self.value()) if self.value() else queryset


class AccessFilter(admin.SimpleListFilter):
    title = _("access")
    parameter_name = "access"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("access open")), ("closed", _("access closed"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[User]
    ) -> QuerySet[User]:
        if not self.value():
            return queryset
        return queryset.filter(is_active=self.value() == "open")


class StaffUserAdmin(StaffAdmin[User]):
    """Accounts with roles. Nobody is deleted: what they did would go with them."""

    form = PersonForm
    add_title = _("New person")
    list_display = (
        *("show_person", "show_role", "show_state", "show_second_factor"),
        "show_last_login",
    )
    list_filter = (RoleFilter, AccessFilter)
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("-is_active", "username")

    # --- Forms ------------------------------------------------------------------------

    def get_form(
        self,
        request: HttpRequest,
        obj: User | None = None,
        change: bool = False,  # noqa: FBT001, FBT002  (Django's signature)
        **kwargs: Any,
    ) -> Any:
        if obj is None:
            kwargs["form"] = NewPersonForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        person = ("first_name", "last_name", "email")
        if obj is None:
            return [
                (_("Person"), {"fields": person}),
                (
                    _("Access"),
                    {"fields": ("role", SEES, "username", "chosen_password")},
                ),
            ]
        may = self.has_change_permission(request, obj)
        rights = ("role", SEES) if may else ("show_role", "show_sees")
        return [
            (_("Person"), {"fields": person}),
            (_("Access"), {"fields": (*rights, *STATE)}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return ()
        return (*STATE, "show_role", "show_sees")

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        # The answer tells the password: there is nowhere to go on to from it.
        only_save = {
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
            **(extra_context or {}),
        }
        return super().add_view(request, form_url, only_save)

    def save_model(
        self, request: HttpRequest, obj: User, form: Any, change: Any
    ) -> None:
        if not change:
            obj.is_staff = True
            obj.set_unusable_password()
        super().save_model(request, obj, form, change)
        save_role(form, obj)

    def response_add(
        self, request: HttpRequest, obj: User, post_url_continue: str | None = None
    ) -> HttpResponse:
        # Told by the answer itself: a page one is led to would have to remember it.
        chosen = request.POST.get("chosen_password", "")
        password = accounts.give_password(obj, chosen)
        return self.tell_password(request, obj, password)

    # --- Rights -----------------------------------------------------------------------

    def has_delete_permission(
        self, request: HttpRequest, obj: User | None = None
    ) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: User | None = None
    ) -> bool:
        may = super().has_change_permission(request, obj)
        # Who may set a superuser's password is one.
        return may and (
            obj is None or not obj.is_superuser or bool(request.user.is_superuser)
        )

    # --- Buttons ----------------------------------------------------------------------

    def object_buttons(self, request: HttpRequest, obj: User) -> list[Button]:
        deeds = f"{reverse('admin:staff_deeds')}?person={obj.pk}"
        offered = [(gettext("What they did"), deeds)]
        pressing = []
        if self.has_change_permission(request, obj):
            offered += self._changes(request, obj)
            if self._locked(obj):
                what = gettext("Unlock sign-in…")
                url = _url("unlock_staff", obj)
                pressing = [Button(label=what, url=url, asks_first=True, is_main=True)]
        return [
            *pressing,
            *(Button(label=what, url=url, asks_first=True) for what, url in offered),
        ]

    def _changes(self, request: HttpRequest, obj: User) -> list[tuple[str, str]]:
        if not obj.is_active:
            return [(gettext("Restore access…"), _url("restore_staff_access", obj))]
        changes = []
        if obj.pk != request.user.pk:
            # One's own is changed with the old one.
            url = _url("new_staff_password", obj)
            changes.append((gettext("New temporary password…"), url))
            if device_of(obj) is not None:
                what = gettext("Take the phone's code away…")
                changes.append((what, _url("take_second_factor", obj)))
        return [
            *changes,
            (gettext("Sign out everywhere…"), _url("end_staff_sessions", obj)),
            (gettext("Close access…"), _url("close_staff_access", obj)),
        ]

    def page_buttons(self, request: HttpRequest) -> list[Button]:
        url = reverse("admin:staff_deeds")
        return [Button(label=gettext("Who did what"), url=url, asks_first=True)]

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        ours = [
            path("deeds/", wrap(self.deeds), name="staff_deeds"),
            *(
                path(f"<int:pk>/{address}/", wrap(view), name=name)
                for address, view, name in (
                    ("password", self.new_password, "new_staff_password"),
                    ("sessions", self.end_sessions, "end_staff_sessions"),
                    ("close", self.close_access, "close_staff_access"),
                    ("restore", self.restore_access, "restore_staff_access"),
                    ("unlock", self.unlock, "unlock_staff"),
                    ("phone", self.take_second_factor, "take_second_factor"),
                )
            ),
        ]
        return [*ours, *super().get_urls()]

    def within_reach(self, request: HttpRequest, pk: int) -> User:
        """Give the account, if this person may change it."""
        obj = get_object_or_404(User, pk=pk)
        if not self.has_change_permission(request, obj):
            raise PermissionDenied
        return obj

    def new_password(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a temporary password, or make one up, and show it once."""
        user = self.within_reach(request, pk)
        if user.pk == request.user.pk:
            return redirect("admin:password_change")
        title = gettext("New temporary password")
        form = answer_form(request, TemporaryPasswordForm, user=user)
        if not form.is_valid():
            text = gettext(
                "The old password stops working at once, and %(person)s is signed out "
                "everywhere. The new one has to be changed when they sign in."
            ) % {"person": user.get_username()}
            return ask(request, self, form, title=title, paragraphs=[text], about=user)
        chosen = form.cleaned_data["chosen_password"]
        password = accounts.give_password(user, chosen)
        self.note(request, user, title)
        return self.tell_password(request, user, password)

    def restore_access(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let somebody in again, with a new temporary password."""
        user = self.within_reach(request, pk)
        title = gettext("Restore access")
        text = gettext(
            "%(person)s can sign in again in their former role, with a new temporary "
            "password that is shown next."
        ) % {"person": user.get_username()}
        form = answer_form(request, Form)
        if not form.is_valid():
            return ask(request, self, form, title=title, paragraphs=[text], about=user)
        password = accounts.restore_access(user)
        self.note(request, user, title)
        return self.tell_password(request, user, password)

    def close_access(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let somebody in no more."""
        user = self.within_reach(request, pk)
        title = gettext("Close access")
        text = gettext(
            "%(person)s is signed out at once and cannot sign in again. What they did "
            "stays in the history under their name."
        ) % {"person": user.get_username()}

        def close() -> str:
            accounts.close_access(user)
            return gettext("The access of %(person)s is closed.") % {"person": user}

        return self.ask_and_do(request, user, title=title, text=text, do=close)

    def end_sessions(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Sign somebody out everywhere; oneself, everywhere else."""
        user = self.within_reach(request, pk)
        title = gettext("Sign out everywhere")
        is_self = user.pk == request.user.pk
        text = (
            gettext("You are signed out on all other devices, and stay signed in here.")
            if is_self
            else gettext(
                "%(person)s is signed out on all devices and can sign in again with "
                "their password."
            )
            % {"person": user.get_username()}
        )

        def end() -> str:
            keep = request.session.session_key or "" if is_self else ""
            number = accounts.end_sessions(user, keep=keep)
            said = ngettext("%(n)d session ended.", "%(n)d sessions ended.", number)
            return said % {"n": number}

        return self.ask_and_do(request, user, title=title, text=text, do=end)

    def unlock(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let somebody try again who is kept out after too many wrong passwords."""
        user = self.within_reach(request, pk)
        title = gettext("Unlock sign-in")
        text = gettext(
            "%(person)s can try to sign in again at once. Ask them first whether it "
            "was they who tried: if not, somebody is guessing their password."
        ) % {"person": user.get_username()}

        def let_in() -> str:
            unlock(user)
            return gettext("%(person)s can sign in again.") % {"person": user}

        return self.ask_and_do(request, user, title=title, text=text, do=let_in)

    def take_second_factor(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let somebody whose phone is lost sign in with the password alone."""
        user = self.within_reach(request, pk)
        if user.pk == request.user.pk:
            # One's own goes with a code: a session left open is not enough.
            return redirect("turn_second_factor_off")
        title = gettext("Take the phone's code away")
        text = gettext(
            "%(person)s signs in with the password alone, until they set up another "
            "phone; if their role requires it, they are led to that at once. Be sure "
            "that it is they who ask. If the phone was stolen, give a new temporary "
            "password as well."
        ) % {"person": user.get_username()}

        def take() -> str:
            take_away(user)
            said = gettext("%(person)s signs in without a code from the phone.")
            return said % {"person": user}

        return self.ask_and_do(request, user, title=title, text=text, do=take)

    def ask_and_do(
        self,
        request: HttpRequest,
        user: User,
        *,
        title: str,
        text: str,
        do: Callable[[], str],
    ) -> HttpResponse:
        """Ask, do it, note it, and go back to the person's page."""
        form = answer_form(request, Form)
        if not form.is_valid():
            return ask(
                request,
                self,
                form,
                title=title,
                paragraphs=[text],
                about=user,
                is_danger=True,
            )
        try:
            said = do()
        except LastOwner:
            messages.error(request, LAST_OWNER)
        else:
            self.note(request, user, title)
            messages.success(request, said)
        return redirect("admin:auth_user_change", user.pk)

    def note(self, request: HttpRequest, user: User, what: str) -> None:
        log_objects(request, User.objects.filter(pk=user.pk), what)

    def tell_password(
        self, request: HttpRequest, user: User, password: str
    ) -> HttpResponse:
        """Show a temporary password; nothing keeps it, so it is shown just once."""
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Temporary password"),
            "person": user,
            "password": password,
            "login_url": request.build_absolute_uri(reverse("admin:index")),
            "opts": self.opts,
        }
        return TemplateResponse(request, "bridge/temporary_password.html", context)

    # --- Who did what -----------------------------------------------------------------

    def deeds(self, request: HttpRequest) -> HttpResponse:
        """List what one person or everybody did, newest first."""
        if not request.user.has_perm(VIEW):
            raise PermissionDenied
        everybody = User.objects.order_by("-is_active", "username")
        person = everybody.filter(pk=_number(request, "person")).first()
        log, event = _number(request, "log"), _number(request, "event")
        below = (log, event) if log or event else None
        deeds = read_deeds([person] if person else everybody, below=below)
        now = timezone.now()
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Who did what"),
            "subtitle": None,
            "opts": self.opts,
            "everybody": everybody,
            "person": person,
            "rows": [(when(deed.at, now=now), deed) for deed in deeds.rows],
            "older": deeds.older,
        }
        return TemplateResponse(request, "bridge/deeds.html", context)

    # --- Columns ----------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        rows = super().get_queryset(request).select_related("temporary_password")
        return with_second_factor(rows).prefetch_related("groups")

    def decorate(self, request: HttpRequest, rows: Sequence[User]) -> None:
        locked = locked_names(row.get_username() for row in rows)
        for row in rows:
            row.locked = locked.get(row.get_username(), [])  # type: ignore[attr-defined]

    def _locked(self, obj: User) -> list[Locked]:
        """List from where somebody is kept out; of a list's rows it is known."""
        name = obj.get_username()
        if not hasattr(obj, "locked"):
            obj.locked = locked_names([name]).get(name, [])  # type: ignore[attr-defined]
        return obj.locked  # type: ignore[attr-defined, no-any-return]

    @admin.display(description=_("who"), ordering="username")
    def show_person(self, obj: User) -> SafeString:
        return two_lines(obj.get_username(), obj.get_full_name())

    @admin.display(description=_("role"))
    def show_role(self, obj: User) -> str:
        names = [str(ROLE_NAMES.get(g.name, g.name)) for g in obj.groups.all()]
        if obj.is_superuser:
            names.append(gettext("superuser"))
        return ", ".join(names) or gettext("no role: cannot do anything")

    @admin.display(description=_("Sees the profit report"))
    def show_sees(self, obj: User) -> str:
        return gettext("yes") if obj.has_perm(SEES_EARNINGS) else gettext("no")

    @admin.display(description=_("state"), ordering="is_active")
    def show_state(self, obj: User) -> SafeString:
        if not obj.is_active:
            return pill(_("access closed"), Tone.QUIET)
        if not obj.is_staff:
            return pill(_("cannot sign in: no role"), Tone.BAD)
        if locked := self._locked(obj):
            told = ", ".join(
                gettext("from %(address)s; opens at %(clock)s")
                % {
                    "address": each.address or "?",
                    "clock": format_date(timezone.localtime(each.until), "H:i"),
                }
                for each in locked[:MOST_ADDRESSES_TOLD]
            )
            return two_lines(pill(_("sign-in is closed"), Tone.BAD), told)
        if has_temporary_password(obj):
            given_at = obj.temporary_password.given_at
            hint = absolute(given_at, now=timezone.now())
            return pill(_("temporary password"), Tone.WARN, hint=hint)
        return pill(_("works"), Tone.GOOD)

    @admin.display(description=_("code from the phone"))
    def show_second_factor(self, obj: User) -> SafeString:
        if device_of(obj) is not None:
            return pill(_("set up"), Tone.GOOD)
        if must_have_device(obj):
            hint = gettext("Led to set it up at the next sign-in.")
            return pill(_("required, not set up"), Tone.WARN, hint=hint)
        return pill(_("not set up"), Tone.QUIET)

    @admin.display(description=_("signed in last"), ordering="last_login")
    def show_last_login(self, obj: User) -> SafeString:
        return when(obj.last_login)

    @admin.display(description=_("signed in now"))
    def show_sessions(self, obj: User) -> str:
        number = len(accounts.sessions_of(obj))
        said = ngettext("%(n)d session", "%(n)d sessions", number)
        return said % {"n": number} if number else gettext("nowhere")


def _url(name: str, obj: Model) -> str:
    return reverse(f"admin:{name}", args=[obj.pk])


def _number(request: HttpRequest, name: str) -> int:
    value = request.GET.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 19 else 0
