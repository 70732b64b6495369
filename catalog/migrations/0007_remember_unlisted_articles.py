"""Remembers which articles the stock list names and the catalogue does not give."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("catalog", "0006_wait_for_steady_rises"),
    ]

    operations = [
        migrations.AddField(
            model_name="importrun",
            name="unlisted",
            field=models.JSONField(
                blank=True, default=list, verbose_name="not in the catalogue"
            ),
        ),
    ]
