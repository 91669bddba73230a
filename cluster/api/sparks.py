"""/api/sparks: the machines, their probes and host keys."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from cluster import actions
from cluster.api.serializers import (
    HostKeyBody,
    HostKeyOfferSerializer,
    HostKeySerializer,
    NewSparkBody,
    SparkBody,
    SparkSerializer,
    host_key_document,
    spark_document,
)
from cluster.api.views import HouseView, Nothing, PagedView
from cluster.models import Spark
from cluster.refusals import Missing
from cluster.ssh.hostkeys import key_blob


def find_spark(name: str) -> Spark:
    spark = Spark.objects.filter(name=name).first()
    if spark is None:
        raise Missing("unknown-spark", f"There is no Spark {name!r}; GET /api/sparks lists them.")
    return spark


class SparksView(PagedView):
    required_scopes = {"GET": "read", "POST": "config"}
    page_ordering = "name"

    @extend_schema(operation_id="list_sparks", responses=SparkSerializer(many=True))
    def get(self, request: Request) -> Response:
        """All Sparks with their newest reading."""
        return self.page(request, Spark.objects.all(), spark_document)

    @extend_schema(operation_id="add_spark", request=NewSparkBody, responses={201: SparkSerializer})
    def post(self, _: Request) -> Response:
        """Add a Spark. It is used once its host key is confirmed."""
        spark = actions.save_spark(spark=None, values=self.body(NewSparkBody), by=self.actor)
        document = spark_document(spark)
        return Response(document, status=201, headers={"Location": document["url"]})


class SparkView(HouseView):
    required_scopes = {"GET": "read", "PUT": "config", "DELETE": "config"}
    problem_codes = {"DELETE": (409,)}

    @extend_schema(operation_id="get_spark", responses=SparkSerializer)
    def get(self, _: Request, name: str) -> Response:
        """One Spark."""
        return Response(spark_document(find_spark(name)))

    @extend_schema(operation_id="change_spark", request=SparkBody, responses=SparkSerializer)
    def put(self, _: Request, name: str) -> Response:
        """Replace how a Spark is reached. A pinned host key stays pinned."""
        spark = find_spark(name)
        return Response(spark_document(actions.save_spark(spark=spark, values=self.body(SparkBody), by=self.actor)))

    @extend_schema(operation_id="remove_spark", responses={204: None})
    def delete(self, _: Request, name: str) -> Response:
        """Forget a Spark; refused while a slot uses it."""
        actions.remove_spark(find_spark(name), self.actor)
        return Response(status=204)


class SparkProbeView(HouseView):
    required_scopes = {"POST": "swap"}

    @extend_schema(operation_id="probe_spark", request=Nothing, responses=SparkSerializer)
    def post(self, _: Request, name: str) -> Response:
        """Look at a Spark now, over SSH. Takes up to 20 s when it does not answer; `state` and `problem` tell."""
        self.body(Nothing)
        return Response(spark_document(actions.probe(find_spark(name))))


class SparkHostKeyView(HouseView):
    required_scopes = {"GET": "config", "POST": "config"}
    problem_codes = {"GET": (503,), "POST": (409, 503)}

    @extend_schema(operation_id="offered_host_key", responses=HostKeyOfferSerializer)
    def get(self, _: Request, name: str) -> Response:
        """The host key the Spark offers now, beside the pinned one. Compare the fingerprint on the Spark itself."""
        spark = find_spark(name)
        offered = actions.offered_host_key(spark.host, spark.ssh_port)
        pinned = spark.host_key
        document: dict[str, Any] = {
            "offered": host_key_document(offered.line),
            "pinned": host_key_document(pinned) if pinned else None,
            "matches": bool(pinned) and key_blob(pinned) == key_blob(offered.line),
        }
        return Response(document)

    @extend_schema(operation_id="pin_host_key", request=HostKeyBody, responses=HostKeySerializer)
    def post(self, _: Request, name: str) -> Response:
        """Trust this host key and no other. It must be what the Spark offers now."""
        spark = actions.pin_host_key(find_spark(name), self.body(HostKeyBody)["line"], self.actor)
        return Response(host_key_document(spark.host_key))
