"""Remembers what sort of failure ended an import."""


from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0007_remember_unlisted_articles'),
    ]

    operations = [
        migrations.AddField(
            model_name='importrun',
            name='failure',
            field=models.CharField(blank=True, choices=[('access', 'access refused'), ('down', 'out of reach'), ('incomplete', 'incomplete'), ('other', 'something else')], max_length=10, verbose_name='sort of failure'),
        ),
    ]
