"""Gives a new bridge the default rule: the retail price, else cost plus 20 %."""

from django.db import migrations

NAME = "По умолчанию: розничная цена, иначе закупка + 20 %"


def add_rule(apps, schema_editor):
    apps.get_model("catalog", "PriceRule").objects.create(name=NAME)


def remove_rule(apps, schema_editor):
    apps.get_model("catalog", "PriceRule").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_create_tables")]
    operations = [migrations.RunPython(add_rule, remove_rule)]
