"""The channels that messages go by: added, tried out, and never read again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from alerts.channels import WrongAddress, seal_address
from alerts.models import Channel, Notice
from alerts.sending import send_test
from backoffice.formatting import Tone, pill, two_lines, when
from backoffice.pages import Button, GenericForm, StaffAdmin, log_objects
from plumbing.leases import database_now

PERMISSION = "alerts.test_channel"
# The sealed address and its scheme, or why it cannot be used.
Sealed = tuple[str, str] | WrongAddress


class ChannelForm(GenericForm[Channel]):
    """Takes an address; what is stored of it nobody can read."""

    # What became of the address, before the transaction that saves the form began.
    sealed: Sealed | None = None

    address = forms.CharField(
        label=_("Address"),
        max_length=1000,
        strip=True,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "size": 70}
        ),
        help_text=_(
            "As Apprise writes it: tgram://BOT-TOKEN/CHAT-ID for Telegram, "
            "mailtos://USER:PASSWORD@HOST?to=NAME@HOST for e-mail, whatsapp://…, "
            "json://HOST/PATH. It is kept unreadable and not shown again."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.is_from_environment:
            del self.fields["address"]
        elif self.instance.pk:
            address = self.fields["address"]
            address.required = False
            text = gettext("Kept: %(address)s. Leave it blank to keep it as it is.")
            shown = {"address": self.instance.shown_address}
            address.help_text = f"{text % shown} {address.help_text}"

    def clean_address(self) -> str:
        if isinstance(self.sealed, WrongAddress):
            raise ValidationError(str(self.sealed))
        if self.sealed is not None:
            self.instance.sealed_url, self.instance.scheme = self.sealed
        # Nothing else may see it, the admin's log of changes included.
        return ""


@admin.register(Channel)
class ChannelAdmin(StaffAdmin[Channel]):
    form = ChannelForm
    add_title = _("New channel")
    list_display = ("show_name", "show_state", "show_sent", "audience", "show_options")
    list_filter = ("is_active",)
    fieldsets = (
        (None, {"fields": ("name", "address")}),
        (
            _("What is told"),
            {
                "fields": (
                    "audience",
                    "language",
                    "urgent_only",
                    "takes_digest",
                    "is_active",
                )
            },
        ),
        (_("State"), {"fields": ("show_state", "show_sent")}),
    )
    readonly_fields = ("show_state", "show_sent")

    def get_fieldsets(self, request: HttpRequest, obj: Channel | None = None) -> Any:
        name, told, state = self.fieldsets
        if obj is None:
            return (name, told)
        if obj.is_from_environment or not self.has_change_permission(request, obj):
            # Its address is a setting, and only changed there.
            return ((None, {"fields": ("name", "show_address")}), told, state)
        return (name, told, state)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Channel | None = None
    ) -> Any:
        return (*self.readonly_fields, "show_address")

    def has_delete_permission(
        self, request: HttpRequest, obj: Channel | None = None
    ) -> bool:
        may = super().has_delete_permission(request, obj)
        return may and (obj is None or not obj.is_from_environment)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Let a channel take its messages along, which nobody deletes alone.

        What they told of is not named: it stays, and only the tie to it goes.
        """
        _all, counts, lacking, protected = super().get_deleted_objects(objs, request)
        named = {model._meta.verbose_name_plural for model in (Channel, Notice)}
        counts = {name: number for name, number in counts.items() if name in named}
        lacking -= {Notice._meta.verbose_name}
        return [str(each) for each in objs], counts, lacking, protected

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        may = (
            self.has_change_permission(request)
            if object_id
            else self.has_add_permission(request)
        )
        address = request.POST.get("address", "").strip()
        if request.method == "POST" and may and address:
            # A courier takes its time; the form is saved in a transaction.
            request.sealed = _seal(address)  # type: ignore[attr-defined]
        return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(
        self,
        request: HttpRequest,
        obj: Channel | None = None,
        change: bool = False,  # noqa: FBT001, FBT002  (Django's signature)
        **kwargs: Any,
    ) -> Any:
        # A class of its own for each request.
        form = super().get_form(request, obj, change, **kwargs)
        form.sealed = getattr(request, "sealed", None)  # type: ignore[attr-defined]
        return form

    def get_urls(self) -> list[URLPattern]:
        test = path(
            "<int:pk>/test/",
            self.admin_site.admin_view(self.test),
            name="test_channel",
        )
        return [test, *super().get_urls()]

    def object_buttons(self, request: HttpRequest, obj: Channel) -> list[Button]:
        if not request.user.has_perm(PERMISSION):
            return []
        url = reverse("admin:test_channel", args=[obj.pk])
        return [Button(label=gettext("Send a test message"), url=url, is_main=True)]

    def test(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send a message by this channel now, and tell what became of it."""
        self.require(request, PERMISSION)
        channel = get_object_or_404(Channel, pk=pk)
        actor = request.user.get_username()
        notice = send_test(channel, actor=actor, now=database_now())
        log_objects(
            request, Channel.objects.filter(pk=pk), gettext("Test message sent")
        )
        if notice.sent_at is not None:
            text = gettext("The message was taken: look whether it has arrived.")
            messages.success(request, text)
        else:
            text = gettext("The message did not arrive: %(error)s")
            messages.error(request, text % {"error": notice.error})
        return redirect("admin:alerts_channel_change", pk)

    @admin.display(description=_("channel"), ordering="name")
    def show_name(self, obj: Channel) -> SafeString:
        return two_lines(obj.name, self.show_address(obj))

    @admin.display(description=_("address"))
    def show_address(self, obj: Channel) -> str:
        if not obj.is_from_environment:
            return obj.shown_address
        text = gettext("%(address)s, set in ALERT_URLS")
        return text % {"address": obj.shown_address}

    @admin.display(description=_("state"))
    def show_state(self, obj: Channel) -> SafeString:
        if not obj.is_active:
            return pill(gettext("switched off"), Tone.QUIET)
        if obj.failing_since is not None:
            shown = pill(gettext("does not arrive"), Tone.BAD)
            return two_lines(shown, obj.last_error)
        if obj.last_sent_at is None:
            return pill(gettext("not tried yet"), Tone.WARN)
        return pill(gettext("works"), Tone.GOOD)

    @admin.display(description=_("last arrived"), ordering="last_sent_at")
    def show_sent(self, obj: Channel) -> SafeString:
        return when(obj.last_sent_at)

    @admin.display(description=_("options"))
    def show_options(self, obj: Channel) -> str:
        options = []
        if obj.urgent_only:
            options.append(gettext("urgent only"))
        if obj.takes_digest:
            options.append(gettext("with the daily digest"))
        return ", ".join(options) or "—"


def _seal(address: str) -> Sealed:
    try:
        return seal_address(address)
    except WrongAddress as error:
        return error
