"""The guides' pages: for all staff, without the internet."""

from __future__ import annotations

from django.contrib import admin
from django.http import Http404, HttpRequest
from django.template.response import TemplateResponse

from bridge_site.guides.reading import GUIDES, jobs_of, read_guide


def guide_page(request: HttpRequest, name: str = "start") -> TemplateResponse:
    """Show a guide."""
    if name not in GUIDES:
        raise Http404
    title, html = read_guide(name)
    context = {
        **admin.site.each_context(request),
        "title": title,
        "html": html,
        "jobs": jobs_of(html),
        "guides": [(key, read_guide(key)[0], key == name) for key in GUIDES],
    }
    return TemplateResponse(request, "bridge/guide.html", context)
