"""All addresses: the API, Django's admin, the pages."""

from django.contrib import admin
from django.urls import include, path

from cluster.api import failures

urlpatterns = [
    path("", include("sparkcontrol.api_urls")),
    path("admin/", admin.site.urls),
    path("", include("sparkcontrol.pages_urls")),
]

handler400 = failures.bad_request
handler403 = failures.permission_denied
handler404 = failures.page_not_found
handler500 = failures.server_error
