"""A person's own sign-in: the code from the phone, the codes for its loss, sessions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from backoffice.formatting import Tone, pill, span
from backoffice.pages import actor_pk, log_objects
from bridge_site.staff import second_factor
from bridge_site.staff.accounts import end_sessions, sessions_of
from bridge_site.staff.guarding import log as sign_in_log
from bridge_site.staff.guarding import note_refused
from bridge_site.staff.second_factor import NEW_KEY, SHOWN, TooSoon, WrongCode
from bridge_site.staff.signing_in import CODE, hours_of, next_step
from plumbing.callers import caller_address
from plumbing.clocks import is_clock_off

INDEX = "admin:index"
QUARTER = 4
FEW_CODES = 3


class CodeForm(forms.Form):
    """Asks for a code: from the phone, or one of those kept for its loss."""

    code = forms.CharField(
        label=_("Six digits from the app"),
        max_length=40,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "inputmode": "numeric",
                "autofocus": True,
                "spellcheck": "false",
                "autocapitalize": "off",
            }
        ),
    )

    def __init__(self, data: Any = None, *, user: User, is_recovery: bool) -> None:
        super().__init__(data)
        self.user = user
        if is_recovery:
            self.fields["code"].label = _("Recovery code")
            self.fields["code"].widget.attrs |= {
                "inputmode": "text",
                "autocomplete": "off",
            }

    def clean_code(self) -> str:
        typed = str(self.cleaned_data["code"])
        try:
            is_right = second_factor.check_code(self.user, typed)
        except TooSoon as error:
            seconds = (error.until - timezone.now()).total_seconds()
            raise ValidationError(_told_wait(seconds), code="wait") from None
        if not is_right:
            raise ValidationError(
                _(
                    "The bridge's own clock is wrong: until it is set, no code from a "
                    "phone fits. Use a recovery code."
                )
                if is_clock_off(now=timezone.now())
                else _("This code is wrong or was used already. Wait for the next one.")
            )
        return typed


def _told_wait(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole < 90:
        said = ngettext(
            "Wrong several times: try again in %(n)d second.",
            "Wrong several times: try again in %(n)d seconds.",
            whole,
        )
        return said % {"n": whole}
    minutes = -(-whole // 60)
    said = ngettext(
        "Wrong several times: try again in %(n)d minute, or ask the owner.",
        "Wrong several times: try again in %(n)d minutes, or ask the owner.",
        minutes,
    )
    return said % {"n": minutes}


# --- At sign-in -----------------------------------------------------------------------


def show_code(request: HttpRequest) -> HttpResponse:
    """Ask whoever has given the password for the code as well."""
    way_on = _way_on(request)
    if next_step(request) != CODE:
        return redirect(way_on)
    user = _me(request)
    is_recovery = "recovery" in request.GET
    data = request.POST if request.method == "POST" else None
    form = CodeForm(data, user=user, is_recovery=is_recovery)
    if form.is_valid():
        _let_through(request, user, form.cleaned_data["code"])
        return redirect(way_on)
    if data is not None:
        note_refused(request, "wrong code", name=user.get_username())
    query = request.GET.copy()
    query.pop("recovery", None)
    context = {
        **_bare(request),
        "title": gettext("Code from the phone"),
        "form": form,
        "is_recovery": is_recovery,
        "by_phone": f"?{query.urlencode()}",
        "by_recovery": f"?{'&'.join(filter(None, (query.urlencode(), 'recovery=1')))}",
    }
    return TemplateResponse(request, "bridge/second_factor.html", context)


def _let_through(request: HttpRequest, user: User, code: str) -> None:
    _remember(request, second_factor.device_of(user))
    told = "signed in from %s with the second factor: %s"
    sign_in_log.info(told, caller_address(request), user.get_username())
    if second_factor.is_recovery_code(code):
        _note(request, gettext("Signed in with a recovery code"))
        left = second_factor.count_codes(user)
        said = ngettext(
            "%(n)d recovery code is left. “Sign-in and security” makes new ones.",
            "%(n)d recovery codes are left. “Sign-in and security” makes new ones.",
            left,
        )
        level = messages.WARNING if left <= FEW_CODES else messages.INFO
        messages.add_message(request, level, said % {"n": left})


def _remember(request: HttpRequest, device_pk: int | None) -> None:
    # The session's key was known before it was worth anything.
    request.session.cycle_key()
    request.session[SHOWN] = device_pk


def _way_on(request: HttpRequest) -> str:
    asked = request.GET.get("next", "")
    hosts, is_https = {request.get_host()}, request.is_secure()
    if url_has_allowed_host_and_scheme(asked, hosts, require_https=is_https):
        return asked
    return reverse(INDEX)


# --- One's own page -------------------------------------------------------------------


def show_security(request: HttpRequest) -> HttpResponse:
    """Show how one signs in, and where one is signed in."""
    user = _me(request)
    is_on = second_factor.device_of(user) is not None
    others = len(sessions_of(user)) - 1
    said = ngettext("on %(n)d other device", "on %(n)d other devices", others)
    context = {
        **admin.site.each_context(request),
        "title": gettext("Sign-in and security"),
        "is_on": is_on,
        "is_required": second_factor.must_have_device(user),
        "state": pill(gettext("set up"), Tone.GOOD)
        if is_on
        else pill(gettext("not set up"), Tone.QUIET),
        "codes_left": second_factor.count_codes(user) if is_on else 0,
        "few_codes": FEW_CODES,
        "others": said % {"n": others} if others > 0 else "",
        "lasts": span(timedelta(hours=hours_of(user))),
    }
    return TemplateResponse(request, "bridge/security.html", context)


def set_up(request: HttpRequest) -> HttpResponse:
    """Show the key as a picture; take the phone on when it shows the right code."""
    user = _me(request)
    if second_factor.device_of(user) is not None:
        return redirect("security")
    key = request.session.setdefault(NEW_KEY, second_factor.new_key())
    wrong = ""
    if request.method == "POST":
        try:
            done = second_factor.set_up(
                user, key=key, typed=request.POST.get("code", "")
            )
        except WrongCode:
            wrong = gettext(
                "The app shows another code now. Type the newest; the phone's clock "
                "must be right to the half minute."
            )
        else:
            del request.session[NEW_KEY]
            _remember(request, done.device_pk)
            _note(request, gettext("Switched the code from the phone on"))
            must = second_factor.must_have_device(user)
            return _tell_codes(request, done.codes, then=INDEX if must else "security")
    address = second_factor.address_for_phone(user, key)
    is_required = second_factor.must_have_device(user)
    context = {
        **(_bare(request) if is_required else admin.site.each_context(request)),
        "title": gettext("Code from the phone"),
        "is_required": is_required,
        "picture": _draw(address),
        "address": address,
        "key": _in_fours(address),
        "wrong": wrong,
    }
    return TemplateResponse(request, "bridge/second_factor_set_up.html", context)


def renew_codes(request: HttpRequest) -> HttpResponse:
    """Make new recovery codes, for whoever shows a code."""

    def renew() -> HttpResponse:
        codes = second_factor.renew_codes(_me(request))
        _note(request, gettext("Made new recovery codes"))
        return _tell_codes(request, codes, then="security")

    return _ask_code(
        request,
        title=gettext("New recovery codes"),
        text=gettext("The former ones stop working at once."),
        button=gettext("Make new codes"),
        do=renew,
    )


def turn_off(request: HttpRequest) -> HttpResponse:
    """Take one's own phone away again, for whoever shows a code."""

    def off() -> HttpResponse:
        second_factor.take_away(_me(request))
        _note(request, gettext("Switched the code from the phone off"))
        messages.success(request, gettext("The code from the phone is switched off."))
        return redirect("security")

    if second_factor.must_have_device(_me(request)):
        text = gettext(
            "Your role requires the code: next you are led to set up another phone, "
            "and can do nothing else before."
        )
    else:
        text = gettext(
            "Afterwards the password alone is enough. To change to another phone, "
            "switch the code off here and on again with the new one."
        )
    return _ask_code(
        request,
        title=gettext("Switch off or change the phone"),
        text=text,
        button=gettext("Switch off"),
        do=off,
    )


@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    """Sign oneself out everywhere else."""
    kept = request.session.session_key or ""
    number = end_sessions(_me(request), keep=kept)
    _note(request, gettext("Signed out on other devices"))
    said = ngettext("%(n)d session ended.", "%(n)d sessions ended.", number)
    messages.success(request, said % {"n": number})
    return redirect("security")


def _ask_code(
    request: HttpRequest,
    *,
    title: str,
    text: str,
    button: str,
    do: Callable[[], HttpResponse],
) -> HttpResponse:
    user = _me(request)
    if second_factor.device_of(user) is None:
        return redirect("security")
    data = request.POST if request.method == "POST" else None
    form = CodeForm(data, user=user, is_recovery=False)
    form.fields["code"].label = gettext("Code from the phone, or a recovery code")
    form.fields["code"].widget.attrs["inputmode"] = "text"
    if form.is_valid():
        return do()
    context = {
        **admin.site.each_context(request),
        "title": title,
        "text": text,
        "button": button,
        "form": form,
    }
    return TemplateResponse(request, "bridge/second_factor_ask.html", context)


def _tell_codes(request: HttpRequest, codes: list[str], *, then: str) -> HttpResponse:
    """Show recovery codes; they are kept unreadable, so they are shown just once."""
    context = {
        **admin.site.each_context(request),
        "title": gettext("Recovery codes"),
        "codes": codes,
        "way_on": reverse(then),
    }
    return TemplateResponse(request, "bridge/recovery_codes.html", context)


def _me(request: HttpRequest) -> User:
    user = request.user
    assert isinstance(user, User)  # noqa: S101  (the admin's pages are for accounts)
    return user


def _note(request: HttpRequest, what: str) -> None:
    log_objects(request, User.objects.filter(pk=actor_pk(request)), what)


def _bare(request: HttpRequest) -> dict[str, Any]:
    """Give a page's context without the ways to pages that are not open yet."""
    context = admin.site.each_context(request)
    bare = {"has_permission": False, "available_apps": []}
    return {**context, **bare, "is_nav_sidebar_enabled": False}


def _draw(address: str) -> str:
    # Needed by one page, once for each person.
    import segno

    drawn = segno.make(address, error="m")
    picture: str = drawn.svg_inline(
        scale=5, border=4, dark="#000", light="#fff", omitsize=True
    )
    return picture


def _in_fours(address: str) -> str:
    """Write the key of the phone's address as it is typed by hand."""
    key = address.partition("secret=")[2].partition("&")[0].rstrip("=")
    return " ".join(key[n : n + QUARTER] for n in range(0, len(key), QUARTER))
