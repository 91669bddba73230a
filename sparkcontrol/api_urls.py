"""The API of all apps, and what describes it."""

from django.urls import include, path

from services.api.docs import DocsView, SchemaView
from services.api.sparkctl import sparkctl

urlpatterns = [
    path("", include("cluster.api.urls")),
    path("", include("swaps.api.urls")),
    path("", include("services.api.urls")),
    path("api/schema", SchemaView.as_view()),
    path("api/docs", DocsView.as_view()),
    path("sparkctl", sparkctl),
]
