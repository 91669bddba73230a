from django.urls import path

from services.api import views

urlpatterns = [
    path("api/keys", views.KeysView.as_view()),
    path("api/keys/<int:key_id>", views.KeyView.as_view()),
    path("healthz", views.healthz),
    path("readyz", views.readyz),
]
