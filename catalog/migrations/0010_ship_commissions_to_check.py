"""Ships what Kaspi is said to take, for the owner to compare with the contract.

Rules of a bridge that sells nothing yet follow the table; where goods are priced
already, an update changes no price: their rules keep what they say.
"""

from datetime import date

from django.db import migrations

SINCE = date(2020, 1, 1)
NOTE = "Ориентир, не из вашего договора: сверьте с тарифами в кабинете Kaspi"
SHIPPED = (
    ("", "12.50"),
    ("Аксессуары для телефонов", "15.50"),
    ("Чехлы для смартфонов", "15.50"),
    ("Чехлы для наушников", "15.50"),
)


def ship(apps, schema_editor):
    rates = apps.get_model("catalog", "CommissionRate")
    for title, percent in SHIPPED:
        rates.objects.create(
            kaspi_category=title, percent=percent, holds_from=SINCE, note=NOTE
        )
    if not apps.get_model("catalog", "Product").objects.exists():
        rules = apps.get_model("catalog", "PriceRule").objects
        rules.filter(commission_percent=0).update(commission_percent=None)


def take_back(apps, schema_editor):
    apps.get_model("catalog", "CommissionRate").objects.filter(note=NOTE).delete()
    rules = apps.get_model("catalog", "PriceRule").objects
    rules.filter(commission_percent=None).update(commission_percent=0)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0009_add_commissions")]
    operations = [migrations.RunPython(ship, take_back)]
