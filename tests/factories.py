"""Rows as tests need them; what a test does not name is a sane default."""

from datetime import timedelta
from typing import Any

import factory
from django.contrib.auth.models import User
from django.utils import timezone

from cluster.models import Slot, Spark
from services.models import ApiKey
from swaps.models import ModelDefinition, Swap, stored


class SparkFactory(factory.django.DjangoModelFactory[Spark]):
    class Meta:
        model = Spark

    name = factory.Sequence(lambda n: f"spark-{n + 1}")
    host = factory.Sequence(lambda n: f"192.0.2.{n % 250 + 1}")
    ssh_user = "nvidia"


class SlotFactory(factory.django.DjangoModelFactory[Slot]):
    class Meta:
        model = Slot

    name = factory.Sequence(lambda n: f"slot-{n + 1}")
    head = factory.SubFactory(SparkFactory)
    is_default = factory.LazyFunction(lambda: not Slot.objects.filter(is_default=True).exists())


class ModelDefinitionFactory(factory.django.DjangoModelFactory[ModelDefinition]):
    class Meta:
        model = ModelDefinition

    key = factory.Sequence(lambda n: f"model-{n + 1}")
    label = factory.LazyAttribute(lambda model: model.key.replace("-", " ").capitalize())
    repo = factory.LazyAttribute(lambda model: f"org/{model.key}")


class SwapFactory(factory.django.DjangoModelFactory[Swap]):
    """A swap in any state, without its story; `status` is taken as it is."""

    class Meta:
        model = Swap

    slot = factory.SubFactory(SlotFactory)
    model_key = "qwen"
    model_label = "Qwen"
    actor = "user:ana"
    trigger = "api"
    deadline_at = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=1))

    @factory.lazy_attribute
    def definition(self) -> dict[str, Any]:
        entry = ModelDefinition(key=self.model_key, label=self.model_label, repo=f"org/{self.model_key}")
        return stored(entry.as_definition())


class UserFactory(factory.django.DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n + 1}")
    password = factory.django.Password("correct horse")


class ApiKeyFactory(factory.django.DjangoModelFactory[ApiKey]):
    class Meta:
        model = ApiKey

    name = factory.Sequence(lambda n: f"program-{n + 1}")
    prefix = factory.Sequence(lambda n: f"{n:08d}")
    digest = "0" * 64
    scopes = ["read"]
