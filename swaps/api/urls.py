from django.urls import path

from swaps.api import drift, lock, models, schedules, slots, status, streams, swaps, warm

urlpatterns = [
    path("api/status", status.StatusView.as_view()),
    path("api/swap", swaps.SwapsView.as_view()),
    path("api/swap/lock", lock.LockView.as_view()),  # before any swap: for a long time its neighbour answered for it
    path("api/swap/lock/force-release", lock.ForceReleaseView.as_view()),
    path("api/swap/<int:swap_id>", swaps.SwapView.as_view()),
    path("api/swap/<int:swap_id>/stream", streams.SwapStreamView.as_view()),
    path("api/swap/<int:swap_id>/log", streams.SwapLogView.as_view()),
    path("api/swap/<int:swap_id>/cancel", swaps.SwapCancelView.as_view()),
    path("api/swap/<int:swap_id>/retry", swaps.SwapRetryView.as_view()),
    path("api/swap/<str:model>/validate", swaps.ValidateView.as_view()),
    path("api/slots", slots.SlotsView.as_view()),
    path("api/slots/<str:name>", slots.SlotView.as_view()),
    path("api/slots/<str:name>/adopt", drift.SlotAdoptView.as_view()),
    path("api/slots/<str:name>/stop", slots.SlotStopView.as_view()),
    path("api/slots/<str:name>/warm", warm.SlotWarmView.as_view()),
    path("api/schedules", schedules.SchedulesView.as_view()),
    path("api/schedules/<int:schedule_id>", schedules.ScheduleView.as_view()),
    path("api/schedules/<int:schedule_id>/runs", schedules.ScheduleRunsView.as_view()),
    path("api/schedules/<str:owner>/<str:ref>", schedules.ExternalScheduleView.as_view()),
    path("api/schedule", schedules.OlderSchedulesView.as_view()),
    path("api/schedule/<str:ref>", schedules.OlderScheduleView.as_view()),
    path("api/plan", schedules.PlanView.as_view()),
    path("api/models", models.ModelsView.as_view()),
    path("api/models/import", models.ModelsImportView.as_view()),
    path("api/models/export", models.ModelsExportView.as_view()),
    path("api/models/<str:key>", models.ModelView.as_view()),
]
