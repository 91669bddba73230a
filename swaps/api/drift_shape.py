"""What differs from what should be, for programs. None while nothing does."""

from typing import Any

from rest_framework import serializers

from swaps.belief import Kind
from swaps.models import Serving

WHO = ("container", "image", "kind", "labels", "started_at", "started_by")


class BelievedSerializer(serializers.Serializer[Any]):
    model = serializers.CharField(allow_null=True, help_text="Null: nothing should serve, or it is in no catalog.")
    model_label = serializers.CharField()
    served_ids = serializers.ListField(child=serializers.CharField())
    swap = serializers.IntegerField(allow_null=True, help_text="That made it so; null after an adoption.")


class WhoSerializer(serializers.Serializer[Any]):
    container = serializers.CharField()
    image = serializers.CharField()
    kind = serializers.CharField(help_text="vllm, launcher, sparkrun, nim, ollama and others.")
    labels = serializers.DictField(child=serializers.CharField())
    started_at = serializers.DateTimeField(allow_null=True)
    started_by = serializers.CharField(help_text="As far as labels tell; blank when they do not.")


class DriftDiagnosisSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    sentence = serializers.CharField()
    remedy = serializers.CharField()
    evidence = serializers.CharField()


class DriftSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=[str(kind) for kind in Kind])
    since = serializers.DateTimeField()
    sentence = serializers.CharField()
    node = serializers.CharField(help_text="The Spark it happened on.")
    believed = BelievedSerializer(help_text="What should serve.")
    who = WhoSerializer(allow_null=True, help_text="What is known about what runs there instead.")
    exit_code = serializers.IntegerField(allow_null=True, help_text="Of vLLM, where it was the main process.")
    diagnosis = DriftDiagnosisSerializer(allow_null=True, help_text="Why our model ended, when it ended by itself.")


def drift_document(serving: Serving | None) -> dict[str, Any] | None:
    if serving is None or not serving.drift:
        return None
    drift = serving.drift
    believed = {**drift["believed"], "model": drift["believed"]["model"] or None}
    told = drift["diagnosis"]
    return {
        **{name: drift[name] for name in ("kind", "since", "sentence", "node", "exit_code")},
        "believed": believed,
        "who": {name: drift["who"][name] for name in WHO} if drift["who"] else None,
        "diagnosis": {name: told[name] for name in ("code", "sentence", "remedy", "evidence")} if told else None,
    }
