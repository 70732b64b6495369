from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bridge_site", "0001_create_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="PeerSlot",
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
                ("name", models.CharField(max_length=80, verbose_name="name")),
                ("number", models.PositiveSmallIntegerField(verbose_name="number")),
                ("until", models.DateTimeField(verbose_name="taken until")),
            ],
            options={
                "verbose_name": "peer slot",
                "verbose_name_plural": "peer slots",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("name", "number"), name="peerslot_once"
                    )
                ],
            },
        ),
    ]
