"""API keys in the API: the text is shown once, in the answer that made it."""

from typing import Any

from rest_framework import serializers

from cluster.api.fields import StrictSerializer, Text
from cluster.api.permissions import SCOPES
from cluster.api.serializers import moment
from services.actions import NAME_LENGTH
from services.models import ApiKey


class NewKeyBody(StrictSerializer):
    name = Text(max_length=NAME_LENGTH, help_text="Which program uses it.")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=list(SCOPES)), min_length=1, max_length=20)
    expires_at = serializers.DateTimeField(allow_null=True, default=None)


class KeySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="The key begins with spk_ and this.")
    scopes = serializers.ListField(child=serializers.CharField())
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    url = serializers.CharField()


class MadeKeySerializer(KeySerializer):
    key = serializers.CharField(help_text="The text itself, never shown again.")


def key_document(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.pk,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "created_by": key.created_by,
        "created_at": moment(key.created_at),
        "last_used_at": moment(key.last_used_at),
        "expires_at": moment(key.expires_at),
        "revoked_at": moment(key.revoked_at),
        "url": f"/api/keys/{key.pk}",
    }
