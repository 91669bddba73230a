from django.urls import path

from cluster.api import sparks

urlpatterns = [
    path("api/sparks", sparks.SparksView.as_view()),
    path("api/sparks/<str:name>", sparks.SparkView.as_view()),
    path("api/sparks/<str:name>/probe", sparks.SparkProbeView.as_view()),
    path("api/sparks/<str:name>/host-key", sparks.SparkHostKeyView.as_view()),
]
