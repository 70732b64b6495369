"""Writes the support file, each part cleaned; what cannot be read says why."""

from __future__ import annotations

import json
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

from bridge_site.bundle.masking import Mask
from bridge_site.bundle.reading import PARTS, name_of, read_logs
from orders.models import Buyer

# Buyers are read so many at once.
AT_ONCE = 2000


def pack(file: Path, *, now: datetime) -> list[str]:
    """Write the support file; returns what could not be read.

    Whole or not at all: it is written beside and moved.
    """
    failures: list[str] = []
    mask = _know_buyers(failures)
    folder = name_of(now)
    draft = file.with_name(f".{file.name}.partial")
    try:
        draft.touch(mode=0o600)
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, read in PARTS.items():
                try:
                    told = read()
                except Exception as error:
                    # It is asked for when something is broken.
                    failures.append(f"{name}: {mask.text(str(error))}")
                    continue
                packed.writestr(f"{folder}/{name}.json", _as_json(mask.value(told)))
            for name, text in read_logs():
                packed.writestr(f"{folder}/log/{name}", _cleaned(text, mask))
            about = {"made_at": now.isoformat(), "could_not_be_read": failures}
            packed.writestr(f"{folder}/about.json", _as_json(about))
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return failures


def _know_buyers(failures: list[str]) -> Mask:
    try:
        rows = Buyer.objects.values_list("name", "phone", "address")
        return Mask(rows.iterator(chunk_size=AT_ONCE))
    except Exception as error:
        # Nothing else of theirs is read then; logs were written without them.
        mask = Mask()
        failures.append(f"buyers: {mask.text(str(error))}")
        return mask


def _cleaned(text: str, mask: Mask) -> str:
    """Clean a log; one whose lines are JSON by the texts in them."""
    if not text.startswith("{"):
        return mask.text(text)
    lines = []
    for line in text.splitlines():
        try:
            lines.append(json.dumps(mask.value(json.loads(line)), ensure_ascii=False))
        except ValueError:
            lines.append(mask.text(line))
    return "\n".join([*lines, ""])


def _as_json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1)
