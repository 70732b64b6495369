from datetime import datetime, timezone

from django.db import migrations, models

LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.utc)


class Migration(migrations.Migration):
    dependencies = [
        ("bridge_site", "0002_limit_calls_at_once"),
    ]

    operations = [
        migrations.AddField(
            model_name="peerclock",
            name="closed_until",
            field=models.DateTimeField(default=LONG_AGO, verbose_name="no call before"),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="peerclock",
            name="crawl_waits_until",
            field=models.DateTimeField(
                default=LONG_AGO, verbose_name="a reading's call waits until"
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="peerclock",
            name="order_calls",
            field=models.PositiveSmallIntegerField(
                default=0, verbose_name="order calls in a row"
            ),
        ),
        migrations.AddField(
            model_name="peerclock",
            name="written_at",
            field=models.DateTimeField(default=LONG_AGO, verbose_name="written"),
            preserve_default=False,
        ),
    ]
