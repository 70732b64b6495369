from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0004_move_doubtful_reserves"),
    ]

    operations = [
        migrations.DeleteModel(name="CartState"),
    ]
