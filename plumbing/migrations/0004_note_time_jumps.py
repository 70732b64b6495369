from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bridge_site", "0003_share_the_clock"),
    ]

    operations = [
        migrations.CreateModel(
            name="TimeJump",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("noticed_at", models.DateTimeField(verbose_name="noticed")),
                ("seconds", models.BigIntegerField(verbose_name="by seconds")),
                ("host", models.CharField(max_length=120, verbose_name="host")),
            ],
            options={
                "verbose_name": "time jump",
                "verbose_name_plural": "time jumps",
            },
        ),
    ]
