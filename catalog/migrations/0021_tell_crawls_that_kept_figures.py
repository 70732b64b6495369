from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0020_sort_goods_by_name")]

    operations = [
        migrations.AddField(
            "importrun",
            "kept_figures",
            models.BooleanField(
                db_default=False,
                default=False,
                verbose_name="kept newer stock and prices",
            ),
        ),
    ]
