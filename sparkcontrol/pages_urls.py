"""Every page people see. All but the sign-in ask for a signed-in person, so that none can forget to."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache

from cluster import views as cluster
from services import key_views as keys
from services import webhook_views as webhooks
from sparkcontrol import views
from swaps import lock_views as locks
from swaps import model_views as models
from swaps import plan_views as plan
from swaps import schedule_views as schedules
from swaps import slot_views
from swaps import truth_views as truth
from swaps import views as swaps
from swaps import warm_views as warm

View = Callable[..., HttpResponse]


def page(route: str, view: View, name: str) -> URLPattern:
    return path(route, never_cache(login_required(view)), name=name)


def fragment(route: str, view: View, name: str) -> URLPattern:
    return path(f"partials/{route}", never_cache(_reload_when_signed_out(view)), name=name)


def _reload_when_signed_out(view: View) -> View:
    """A redirect would put the sign-in page into a card; loading the whole page again asks for the sign-in."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        return HttpResponse(status=401, headers={"HX-Refresh": "true"})

    return guarded


urlpatterns = [
    path(
        "sign-in/",
        LoginView.as_view(template_name="registration/sign_in.html", redirect_authenticated_user=True),
        name="sign-in",
    ),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    page("", views.home, "home"),
    page("models/", models.model_list, "model-list"),
    page("models/new", models.model_new, "model-new"),
    page("models/import", models.model_import, "model-import"),
    page("models/export", models.model_export, "model-export"),
    page("models/<str:key>/", models.model_detail, "model"),
    page("models/<str:key>/edit", models.model_edit, "model-edit"),
    page("models/<str:key>/delete", models.model_delete, "model-delete"),
    page("swaps/", swaps.swap_list, "swap-list"),
    page("swaps/new", swaps.swap_new, "swap-new"),
    page("swaps/<int:swap_id>/", swaps.swap_detail, "swap"),
    page("swaps/<int:swap_id>/cancel", swaps.swap_cancel, "swap-cancel"),
    page("swaps/<int:swap_id>/retry", swaps.swap_retry, "swap-retry"),
    page("slots/<str:name>/stop", swaps.slot_stop, "slot-stop"),
    page("slots/<str:name>/adopt", truth.slot_adopt, "slot-adopt"),
    page("slots/<str:name>/warm", warm.slot_warm, "slot-warm"),
    page("slots/<str:name>/lock", locks.lock_page, "lock"),
    page("slots/<str:name>/lock/take", locks.lock_take, "lock-take"),
    page("slots/<str:name>/lock/release", locks.lock_release, "lock-release"),
    page("slots/<str:name>/lock/force", locks.lock_force, "lock-force"),
    page("schedules/", schedules.schedule_list, "schedule-list"),
    page("schedules/new", schedules.schedule_new, "schedule-new"),
    page("schedules/<int:schedule_id>/", schedules.schedule_detail, "schedule"),
    page("schedules/<int:schedule_id>/edit", schedules.schedule_edit, "schedule-edit"),
    page("schedules/<int:schedule_id>/pause", schedules.schedule_pause, "schedule-pause"),
    page("schedules/<int:schedule_id>/run", schedules.schedule_run, "schedule-run"),
    page("schedules/<int:schedule_id>/delete", schedules.schedule_delete, "schedule-delete"),
    page("schedules/<str:owner>/<str:ref>/", schedules.schedule_external, "schedule-external"),
    page("sparks/", cluster.spark_list, "spark-list"),
    page("sparks/<str:name>/", cluster.spark_detail, "spark"),
    page("sparks/<str:name>/test", cluster.spark_test, "spark-test"),
    page("webhooks/", webhooks.webhook_list, "webhook-list"),
    page("webhooks/new", webhooks.webhook_new, "webhook-new"),
    page("webhooks/<int:webhook_id>/", webhooks.webhook_detail, "webhook"),
    page("webhooks/<int:webhook_id>/edit", webhooks.webhook_edit, "webhook-edit"),
    page("webhooks/<int:webhook_id>/ping", webhooks.webhook_ping, "webhook-ping"),
    page("webhooks/<int:webhook_id>/replay", webhooks.webhook_replay, "webhook-replay"),
    page("webhooks/<int:webhook_id>/rotate", webhooks.webhook_rotate, "webhook-rotate"),
    page("webhooks/<int:webhook_id>/remove", webhooks.webhook_remove, "webhook-remove"),
    page("webhooks/<int:webhook_id>/deliveries/<int:delivery_id>/", webhooks.delivery_detail, "webhook-delivery"),
    page("webhooks/<int:webhook_id>/deliveries/<int:delivery_id>/again", webhooks.delivery_again, "webhook-redeliver"),
    page("keys/", keys.key_list, "key-list"),
    page("keys/new", keys.key_new, "key-new"),
    page("keys/<int:key_id>/revoke", keys.key_revoke, "key-revoke"),
    page("settings/", cluster.settings_page, "settings"),
    page("settings/sparks/new", cluster.spark_new, "spark-new"),
    page("settings/sparks/<str:name>", cluster.spark_edit, "spark-edit"),
    page("settings/sparks/<str:name>/host-key", cluster.spark_host_key, "spark-host-key"),
    page("settings/sparks/<str:name>/remove", cluster.spark_remove, "spark-remove"),
    page("settings/slots/new", slot_views.slot_new, "slot-new"),
    page("settings/slots/<str:name>", slot_views.slot_edit, "slot-edit"),
    fragment("locks", locks.locks_fragment, "locks-fragment"),
    fragment("slots/<str:name>", swaps.slot_fragment, "slot-fragment"),
    fragment("swaps/<int:swap_id>", swaps.swap_fragment, "swap-fragment"),
    fragment("examine", swaps.examine_fragment, "examine-fragment"),
    fragment("plan", plan.plan_fragment, "plan-fragment"),
    fragment("schedules/preview", schedules.preview_fragment, "schedule-preview"),
    fragment("sparks", cluster.sparks_fragment, "sparks-fragment"),
    fragment("sparks/<str:name>", cluster.spark_fragment, "spark-fragment"),
    fragment("activity", cluster.activity_fragment, "activity-fragment"),
]
