from __future__ import annotations

import re
from pathlib import Path

from django.contrib import admin

STATIC = Path(__file__).resolve().parents[2] / "static" / "bridge"


def test_every_column_that_the_style_sheets_name_is_a_column():
    sheets = "".join(p.read_text(encoding="utf-8") for p in STATIC.rglob("*.css"))
    named = set(re.findall(r"\.field-(show_\w+)", sheets))
    columns = {
        str(column)
        for model_admin in admin.site._registry.values()
        for column in model_admin.list_display
    }
    assert named
    assert named <= columns
