"""The support file: all that an engineer needs, no secret and no buyer."""

from __future__ import annotations

import json
import logging
import re
import zipfile
from datetime import timedelta
from io import BytesIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from django_q.models import Failure

from bridge_site.bundle.masking import Mask
from bridge_site.bundle.reading import PARTS
from orders.models import Buyer, LearnedFact, Order, Step
from orders.plan.events import record
from plumbing.logs import JsonFormatter
from tests.full_house import furnish_house
from tests.staff import log_in

pytestmark = pytest.mark.django_db(transaction=True)

BUYERS = (
    ("Айгерим Примерова", "77011234567", "Алматы, улица Жабаева, 105, кв. 17"),
    ("Бауыржан Тест-Оглы", "+7 (702) 765-43-21", "Астана, проспект Победы 7"),
    ("John Sample", "87479990011", "Shymkent, Tauke-khan avenue 12"),
)
TOLD = (
    "Покупатель Примеровой (тел. +7 701 123-45-67) ждёт: улица Жабаева, 105",
    "Бауыржану, проспект Победы 7, звонить 87027654321",
    "call john\nSample, Tauke-khan avenue 12, 7479990011",
)
PERSONAL = re.compile(
    r"Айгерим|Пример[о]в|Бауыржан|Тест-Огл|John|Sample|Жабаев|Побед|Tauke|"
    r"1234567|123-45-67|7654321|765-43-21|9990011",
    re.IGNORECASE,
)


def read(file) -> dict[str, str]:
    with zipfile.ZipFile(file) as packed:
        assert packed.testzip() is None
        files = {name: packed.read(name).decode() for name in packed.namelist()}
    return {name.partition("/")[2]: text for name, text in files.items()}


@pytest.fixture
def house(settings, alstyle, tmp_path):
    """A busy day; buyers and secrets have got wherever a text may stand."""
    settings.VAR_DIR = tmp_path
    settings.LOG_FILE = str(tmp_path / "log" / "{part}.log")
    settings.FEED_PASSWORD = "feed-password-1"
    settings.METRICS_TOKEN = "metrics-token-12"
    settings.ALERT_URLS = ["tgram://111222333:AAbbCCddEEff/445566778"]
    secrets = [
        *(settings.ALSTYLE_TOKEN, settings.KASPI_TOKEN, settings.SECRET_KEY),
        *(settings.FEED_PASSWORD, settings.METRICS_TOKEN, "AAbbCCddEEff"),
    ]
    furnish_house(settings, alstyle, tmp_path / "feed")
    now = timezone.now()
    words = [*TOLD, *(f"asked with {secret} by us" for secret in secrets)]
    for buyer, order in zip(BUYERS, Order.objects.order_by("pk"), strict=False):
        name, phone, address = buyer
        Buyer.objects.create(order=order, name=name, phone=phone, address=address)
    for number, text in enumerate(words):
        record(Order.objects.earliest("pk"), text, now=now)
        Failure.objects.create(
            id=f"{number:032}",
            name=f"task {number}",
            func="orders.tasks.poll_orders",
            result=f"Traceback…\n{text}",
            started=now,
            stopped=now + timedelta(seconds=1),
            success=False,
        )
    Step.objects.stuck().update(last_error=" | ".join(words))
    Order.objects.update(note=words[0], problem=words[1])
    LearnedFact.objects.create(
        name="empties", value="yes", evidence=" ".join(words), learned_at=now
    )
    folder = tmp_path / "log"
    folder.mkdir()
    folder.joinpath("web.log.1").write_text("from yesterday\n", encoding="utf-8")
    folder.joinpath("web.log").write_text("\n".join([*words, ""]), encoding="utf-8")
    said = logging.makeLogRecord({"msg": "ok"})
    said.msg = "a line\n" + "\n".join(words)
    line = JsonFormatter().format(said)
    line = line.replace("a line", f"a line\\n{TOLD[0]}")
    folder.joinpath("orders.log").write_text(f"{line}\nтел. 87027654321\n", "utf-8")
    return secrets


def test_it_tells_all_but_secrets_and_buyers(house, settings, tmp_path):
    call_command("bundle", to=tmp_path / "support.zip")
    file = tmp_path / "support.zip"
    files = read(file)
    for name, text in files.items():
        found = [each for each in house if each in text]
        assert found == [], name
        assert PERSONAL.findall(text) == [], name
    about = json.loads(files["about.json"])
    assert about["could_not_be_read"] == []
    told = {n: json.loads(t) for n, t in files.items() if n.endswith(".json")}
    assert "django" in told["versions.json"]
    assert told["settings.json"]["settings"]["ALSTYLE_TOKEN"] == "set"
    assert told["database.json"]["missing"] == []
    assert told["database.json"]["rows"]["orders_buyer"] == len(BUYERS)
    assert {row["code"] for row in told["doctor.json"]} >= {"database", "workers"}
    assert len(told["queue/failures.json"]) == len(TOLD) + len(house)
    assert any(row["func"] for row in told["queue/schedules.json"])
    assert told["orders/stuck.json"]
    assert told["runs/imports.json"]
    assert told["runs/price-lists.json"]
    assert told["alerts.json"]
    assert told["learned.json"]
    assert files["log/web.log"].startswith("from yesterday\n")
    assert "by us" in files["log/web.log"]
    assert files["log/orders.log"].count("\n") == 2
    assert "a line" in json.loads(files["log/orders.log"].splitlines()[0])["message"]
    assert [p.name for p in tmp_path.glob("*.partial")] == []
    if hasattr(file, "owner"):
        assert file.stat().st_mode & 0o077 == 0


def test_what_cannot_be_read_is_named_and_hides_nothing_else(monkeypatch, tmp_path):
    def fail():
        raise RuntimeError("the disk image is malformed")

    monkeypatch.setitem(PARTS, "database", fail)
    file = tmp_path / "support.zip"
    call_command("bundle", to=file)
    files = read(file)
    assert "database.json" not in files
    assert "versions.json" in files
    said = json.loads(files["about.json"])["could_not_be_read"]
    assert said == ["database: the disk image is malformed"]
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("bundle", to=tmp_path / "nowhere" / "support.zip")


def test_the_owner_has_a_button_for_it(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    settings.LOG_FILE = "-"
    owner, url = log_in(settings, "owner"), reverse("support_file")
    assert url in owner.get(reverse("doctor")).content.decode()
    assert owner.get(url).status_code == 405
    answer = owner.post(url)
    assert answer["Content-Disposition"].startswith("attachment; filename=")
    assert "about.json" in read(BytesIO(answer.content))
    assert list(tmp_path.iterdir()) == []
    assert log_in(settings, "operator").post(url).status_code == 403


def test_a_name_is_masked_in_any_case_and_words_like_it_are_not():
    mask = Mask([("Асель Ли", "", "Алматы"), ("Рома", "7701", "дом 5, кв 6")])
    assert mask.text("Асели, асель; Ли, Алматы") == "***, ***; Ли, Алматы"
    assert mask.text("дом 5, кв 6; дом 7") == "***; дом 7"
    assert mask.text("x" * 10 + " 703214588 70311") == "x" * 10 + " 703214588 70311"
    assert Mask(BUYERS).value({"phone": 77011234567}) == {"phone": "***"}
    assert mask.value({"a": [1, None, True, 2.5]}) == {"a": [1, None, True, 2.5]}
