from django.urls import path

from services.api import events, health, metrics, views, webhooks

urlpatterns = [
    path("api/keys", views.KeysView.as_view()),
    path("api/keys/<int:key_id>", views.KeyView.as_view()),
    path("api/events", events.EventsView.as_view()),
    path("api/webhooks", webhooks.WebhooksView.as_view()),
    path("api/webhooks/types", webhooks.WebhookTypesView.as_view()),
    path("api/webhooks/<int:webhook_id>", webhooks.WebhookView.as_view()),
    path("api/webhooks/<int:webhook_id>/ping", webhooks.WebhookPingView.as_view()),
    path("api/webhooks/<int:webhook_id>/replay", webhooks.WebhookReplayView.as_view()),
    path("api/webhooks/<int:webhook_id>/rotate", webhooks.WebhookRotateView.as_view()),
    path("api/webhooks/<int:webhook_id>/deliveries", webhooks.DeliveriesView.as_view()),
    path("api/webhooks/<int:webhook_id>/deliveries/<int:delivery_id>", webhooks.DeliveryView.as_view()),
    path("api/webhooks/<int:webhook_id>/deliveries/<int:delivery_id>/redeliver", webhooks.RedeliverView.as_view()),
    path("metrics", metrics.MetricsView.as_view()),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
]
