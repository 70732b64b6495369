from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('feeds', '0007_carry_lists_to_hosts'),
    ]

    operations = [
        migrations.AddField(
            model_name='feedbuild',
            name='inputs',
            field=models.JSONField(blank=True, null=True, verbose_name='made of'),
        ),
    ]
