"""/api/keys."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from cluster.api.views import HouseView, PagedView
from cluster.refusals import Missing
from services import actions
from services.api.serializers import KeySerializer, MadeKeySerializer, NewKeyBody, key_document
from services.models import ApiKey


class KeysView(PagedView):
    required_scopes = {"GET": "admin", "POST": "admin"}

    @extend_schema(operation_id="list_keys", responses=KeySerializer(many=True))
    def get(self, request: Request) -> Response:
        """All keys, revoked ones included."""
        return self.page(request, ApiKey.objects.all(), key_document)

    @extend_schema(operation_id="make_key", request=NewKeyBody, responses={201: MadeKeySerializer})
    def post(self, _: Request) -> Response:
        """Make a key. Its text is in this answer and nowhere else."""
        body = self.body(NewKeyBody)
        key, text = actions.make_key(body["name"], body["scopes"], by=self.actor, expires_at=body["expires_at"])
        document = key_document(key)
        return Response({**document, "key": text}, status=201, headers={"Location": document["url"]})


class KeyView(HouseView):
    required_scopes = {"GET": "admin", "DELETE": "admin"}
    problem_codes = {"DELETE": (409,)}

    @extend_schema(operation_id="get_key", responses=KeySerializer)
    def get(self, _: Request, key_id: int) -> Response:
        """One key."""
        return Response(key_document(find_key(key_id)))

    @extend_schema(operation_id="revoke_key", responses={204: None})
    def delete(self, _: Request, key_id: int) -> Response:
        """From now on the key opens nothing. Its row stays, for the journal."""
        actions.revoke_key(find_key(key_id), by=self.actor)
        return Response(status=204)


def find_key(key_id: int) -> ApiKey:
    key = ApiKey.objects.filter(pk=key_id).first()
    if key is None:
        raise Missing("unknown-key", f"There is no key {key_id}; GET /api/keys lists them.")
    return key
