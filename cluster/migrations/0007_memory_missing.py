from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('cluster', '0006_chore'),
    ]

    operations = [
        migrations.AddField(
            model_name='spark',
            name='memory_missing_bytes',
            field=models.BigIntegerField(editable=False, null=True),
        ),
    ]
