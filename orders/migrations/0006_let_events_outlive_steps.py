import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0005_forget_cart_state"),
    ]

    operations = [
        migrations.AlterField(
            model_name="orderevent",
            name="step",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="events",
                to="orders.step",
                verbose_name="step",
            ),
        ),
    ]
