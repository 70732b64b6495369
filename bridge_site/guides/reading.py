"""Reads a guide of docs/ru and makes of it what the admin shows."""

from __future__ import annotations

import re
from functools import cache

from django.conf import settings
from django.templatetags.static import static
from django.urls import reverse
from markdown import markdown

# The first is the page that leads to the others.
GUIDES = {
    "start": "README.md",
    "operator": "operator.md",
    "packer": "packer.md",
    "owner": "owner.md",
}
FILES = {file: name for name, file in GUIDES.items()}
# An anchor stands alone above its heading, so that it works wherever it is read.
ANCHOR = re.compile(r'<p><a id="([\w-]+)"></a></p>\s*<(h[23])>')
JOB = re.compile(r'<h2 id="([\w-]+)">(.+?)</h2>')
LINK = re.compile(r'href="([A-Za-z]+\.md)')
PICTURE = re.compile(r'src="img/([\w-]+\.png)"')


@cache
def read_guide(name: str) -> tuple[str, str]:
    """Give a guide's title and the HTML of what follows it."""
    file = settings.BASE_DIR / "docs" / "ru" / GUIDES[name]
    title, _, text = file.read_text("utf-8").partition("\n")
    html = ANCHOR.sub(r'<\2 id="\1">', markdown(text))
    html = LINK.sub(lambda found: f'href="{_address(found[1])}', html)
    html = PICTURE.sub(lambda found: f'src="{static(f"guides/{found[1]}")}"', html)
    return title.removeprefix("# "), html


def jobs_of(html: str) -> list[tuple[str, str]]:
    """Give the anchor and the name of each job that a guide tells of."""
    return JOB.findall(html)


def _address(file: str) -> str:
    return reverse("guide", args=[FILES[file]])
