"""Makes the tables of alerts, channels and messages."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=40, verbose_name='kind')),
                ('subject', models.CharField(blank=True, max_length=120, verbose_name='about')),
                ('source', models.CharField(max_length=20, verbose_name='noticed by')),
                ('title', models.CharField(max_length=120, verbose_name='what')),
                ('text', models.TextField(verbose_name='what happened')),
                ('url', models.CharField(blank=True, max_length=300, verbose_name='page')),
                ('tone', models.CharField(choices=[('bad', 'urgent'), ('warn', 'to do'), ('info', 'look')], max_length=4, verbose_name='severity')),
                ('is_urgent', models.BooleanField(default=False, verbose_name='at any hour')),
                ('for_operator', models.BooleanField(default=True, verbose_name='for operators')),
                ('for_owner', models.BooleanField(default=True, verbose_name='for the owner')),
                ('opened_at', models.DateTimeField(verbose_name='noticed')),
                ('closed_at', models.DateTimeField(blank=True, null=True, verbose_name='over')),
                ('acknowledged_at', models.DateTimeField(blank=True, null=True, verbose_name='acknowledged')),
                ('acknowledged_by', models.CharField(blank=True, max_length=150, verbose_name='acknowledged by')),
                ('told', models.PositiveSmallIntegerField(default=0, verbose_name='told')),
                ('told_at', models.DateTimeField(blank=True, null=True, verbose_name='last told')),
                ('is_end_told', models.BooleanField(default=False, verbose_name='end told')),
            ],
            options={
                'verbose_name': 'alert',
                'verbose_name_plural': 'alerts',
                'ordering': ['-pk'],
                'permissions': [('acknowledge_alert', 'Can acknowledge alerts')],
                'indexes': [models.Index(condition=models.Q(('closed_at__isnull', False), ('is_end_told', False)), fields=['closed_at'], name='alert_end_untold')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('closed_at__isnull', True)), fields=('kind', 'subject'), name='alert_one_open')],
            },
        ),
        migrations.CreateModel(
            name='Channel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, verbose_name='name')),
                ('sealed_url', models.TextField(blank=True, verbose_name='address')),
                ('scheme', models.CharField(blank=True, max_length=40, verbose_name='service')),
                ('fingerprint', models.CharField(blank=True, editable=False, max_length=64)),
                ('audience', models.CharField(choices=[('all', 'everything'), ('operator', 'what concerns operators'), ('owner', 'what concerns the owner')], default='all', max_length=8, verbose_name='receives')),
                ('urgent_only', models.BooleanField(default=False, help_text='For a phone that rings: deadlines, workers, lost access.', verbose_name='only what is told at any hour')),
                ('takes_digest', models.BooleanField(default=True, verbose_name='daily digest')),
                ('is_active', models.BooleanField(default=True, verbose_name='active')),
                ('last_sent_at', models.DateTimeField(blank=True, null=True, verbose_name='last arrived')),
                ('failing_since', models.DateTimeField(blank=True, null=True, verbose_name='failing since')),
                ('last_error', models.TextField(blank=True, verbose_name='error')),
            ],
            options={
                'verbose_name': 'channel',
                'verbose_name_plural': 'channels',
                'ordering': ['pk'],
                'permissions': [('test_channel', 'Can send test messages')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('fingerprint', ''), _negated=True), fields=('fingerprint',), name='channel_once')],
            },
        ),
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('alerts', 'alerts'), ('digest', 'daily digest'), ('test', 'test')], max_length=6, verbose_name='kind')),
                ('title', models.CharField(max_length=200, verbose_name='title')),
                ('body', models.TextField(verbose_name='text')),
                ('day', models.DateField(blank=True, null=True, verbose_name='day')),
                ('created_at', models.DateTimeField(verbose_name='created')),
                ('not_before', models.DateTimeField(verbose_name='not before')),
                ('attempts', models.PositiveSmallIntegerField(default=0, verbose_name='attempts')),
                ('sent_at', models.DateTimeField(blank=True, null=True, verbose_name='sent')),
                ('given_up_at', models.DateTimeField(blank=True, null=True, verbose_name='given up')),
                ('error', models.TextField(blank=True, verbose_name='error')),
                ('alerts', models.ManyToManyField(blank=True, related_name='notices', to='alerts.alert', verbose_name='alerts')),
                ('channel', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notices', to='alerts.channel', verbose_name='channel')),
            ],
            options={
                'verbose_name': 'message',
                'verbose_name_plural': 'messages sent',
                'ordering': ['-pk'],
                'indexes': [models.Index(condition=models.Q(('given_up_at__isnull', True), ('sent_at__isnull', True)), fields=['not_before'], name='notice_waiting')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('day__isnull', False)), fields=('channel', 'day'), name='notice_one_digest_a_day')],
            },
        ),
    ]
