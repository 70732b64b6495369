"""Pages that ask before a button or an action of a list does its work.

    form = answer_form(request, ReasonForm)
    if form.is_valid():
        return act(form.cleaned_data)
    return ask(request, self, form, title=…, paragraphs=[…], about=build)

The same three lines serve a button's own address and an action of a list; the latter
passes the `chosen` rows to `ask`, and is called a second time with the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model
from django.forms import Form
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse

F = TypeVar("F", bound=Form)
# Tells the answer from the click in the list: both post the action's name.
ANSWERED = "answered"


def answer_form(request: HttpRequest, form: type[F], **known: Any) -> F:
    """Make the form, bound if the request answers it; unbound it is not valid.

    `known` goes to the form as it is.
    """
    is_click = "action" in request.POST and ANSWERED not in request.POST
    is_answer = request.method == "POST" and not is_click
    return form(request.POST if is_answer else None, **known)


def ask(
    request: HttpRequest,
    model_admin: ModelAdmin[Any],
    form: Form,
    *,
    title: str,
    paragraphs: Sequence[object] = (),
    about: Model | None = None,
    chosen: Sequence[Model] = (),
    names: Sequence[str] = (),
    button: str = "",
    hidden: Sequence[tuple[str, str]] = (),
    heads: Sequence[str] = (),
    rows: Sequence[Sequence[object]] = (),
    is_danger: bool = False,
    is_across: bool = False,
) -> TemplateResponse:
    """Show the page with the form; its button bears the title, or what `button` says.

    `about`: the row of `model_admin` that the page leads back to, without it the list.
    `chosen`: the rows of a list's action, posted again with the answer; `names`: what
    to call those of them that it will be done to, or `rows` under `heads`, what will
    happen to each. `hidden`: what else is posted with the answer. `is_across`: the
    action is for all that the list's filters find; then no row is posted again.
    """
    opts = model_admin.opts
    url_name = f"admin:{opts.app_label}_{opts.model_name}"
    list_url = reverse(f"{url_name}_changelist")
    of_list = [
        ("action", request.POST.get("action", "")),
        (ANSWERED, "1"),
        ("select_across", "1" if is_across else "0"),
        ("index", "0"),
        *((ACTION_CHECKBOX_NAME, str(row.pk)) for row in chosen),
    ]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "subtitle": None,
        "paragraphs": [paragraph for paragraph in paragraphs if paragraph],
        "form": form,
        "about": about,
        "names": names,
        "hidden": [*(of_list if chosen or is_across else []), *hidden],
        "button": button or title,
        "heads": heads,
        "rows": rows,
        "is_danger": is_danger,
        "list_url": list_url,
        "back_url": reverse(f"{url_name}_change", args=[about.pk])
        if about
        else list_url,
        "opts": opts,
    }
    return TemplateResponse(request, "backoffice/confirm.html", context)
