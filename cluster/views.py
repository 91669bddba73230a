"""Pages of Sparks and of the first-run steps."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from cluster import actions, activity, cards, first_steps
from cluster.forms import SparkForm, put_refusal, spark_form
from cluster.models import Spark
from cluster.pages import actor_of, may, needs, tell_refusal
from cluster.refusals import Refusal
from cluster.ssh.hostkeys import fingerprint


def sparks_context() -> dict[str, object]:
    """What the Spark cards need, on the overview and on their own page."""
    found = Spark.objects.all()
    return {"cards": cards.of_sparks(found, timezone.now()), "settings_url": reverse("settings")}


@require_safe
def spark_list(request: HttpRequest) -> HttpResponse:
    return render(request, "cluster/spark_list.html", sparks_context() | {"can_edit": may(request, "config")})


@require_safe
def sparks_fragment(request: HttpRequest) -> HttpResponse:
    return render(request, "cluster/_sparks.html", sparks_context())


@require_safe
def activity_fragment(request: HttpRequest) -> HttpResponse:
    return render(request, "cluster/_activity.html", {"events": activity.newest()})


def _spark_context(request: HttpRequest, name: str) -> dict[str, object]:
    spark = get_object_or_404(Spark, name=name)
    return {
        "card": cards.of_sparks([spark], timezone.now())[0],
        "spark": spark,
        "facts": cards.facts(spark),
        "fingerprint": fingerprint(spark.host_key) if spark.host_key else "",
        "events": activity.newest(spark),
        "can_edit": may(request, "config"),
    }


@require_safe
def spark_detail(request: HttpRequest, name: str) -> HttpResponse:
    return render(request, "cluster/spark_detail.html", _spark_context(request, name))


@require_safe
def spark_fragment(request: HttpRequest, name: str) -> HttpResponse:
    return render(request, "cluster/_spark_now.html", _spark_context(request, name))


@require_safe
@needs("config")
def settings_page(request: HttpRequest) -> HttpResponse:
    return render(request, "cluster/settings.html", {"steps": first_steps.look()})


@needs("config")
@require_http_methods(["GET", "POST"])
def spark_new(request: HttpRequest) -> HttpResponse:
    return _spark_page(request, None, SparkForm(request.POST or None))


@needs("config")
@require_http_methods(["GET", "POST"])
def spark_edit(request: HttpRequest, name: str) -> HttpResponse:
    spark = get_object_or_404(Spark, name=name)
    return _spark_page(request, spark, SparkForm(request.POST) if request.method == "POST" else spark_form(spark))


def _spark_page(request: HttpRequest, spark: Spark | None, form: SparkForm) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        try:
            saved = actions.save_spark(spark=spark, values=form.values(), by=actor_of(request))
            if form.cleaned_data["private_key"]:
                actions.use_private_key(saved, form.cleaned_data["private_key"], actor_of(request))
            return redirect("spark", saved.name) if saved.host_key else redirect("spark-host-key", saved.name)
        except Refusal as refusal:
            put_refusal(form, refusal)
    title = f"Edit {spark.name}" if spark else "Add a Spark"
    context = {"form": form, "title": title, "spark": spark, "back": reverse("settings")}
    return render(request, "cluster/spark_form.html", context, status=400 if form.errors else 200)


@needs("config")
@require_http_methods(["GET", "POST"])
def spark_host_key(request: HttpRequest, name: str) -> HttpResponse:
    """Show the fingerprint the host offers now; only a person's yes pins it."""
    spark = get_object_or_404(Spark, name=name)
    offered, problem = None, ""
    try:
        if request.method == "POST":
            actions.pin_host_key(spark, request.POST.get("line", ""), actor_of(request))
            return _tell_test(request, spark)
        offered = actions.offered_host_key(spark.host, spark.ssh_port)
    except Refusal as refusal:
        problem = refusal.detail
    pinned = fingerprint(spark.host_key) if spark.host_key else ""
    context = {"spark": spark, "offered": offered, "pinned": pinned, "problem": problem}
    return render(request, "cluster/host_key.html", context | {"same": bool(offered and offered.fingerprint == pinned)})


@needs("config")
@require_POST
def spark_test(request: HttpRequest, name: str) -> HttpResponse:
    return _tell_test(request, get_object_or_404(Spark, name=name))


def _tell_test(request: HttpRequest, spark: Spark) -> HttpResponse:
    """Test the connection and go where the result is seen."""
    try:
        told = actions.test_connection(spark)
    except Refusal as refusal:
        return tell_refusal(request, refusal, back=reverse("spark", args=[spark.name]))
    say = messages.success if told.ok else messages.error
    say(request, f"{told.sentence} {told.remedy}".strip())
    return redirect("settings" if request.POST.get("next") == "settings" else reverse("spark", args=[spark.name]))


@needs("config")
@require_http_methods(["GET", "POST"])
def spark_remove(request: HttpRequest, name: str) -> HttpResponse:
    spark = get_object_or_404(Spark, name=name)
    if request.method == "GET":
        return render(request, "cluster/spark_remove.html", {"spark": spark})
    try:
        actions.remove_spark(spark, actor_of(request))
    except Refusal as refusal:
        return tell_refusal(request, refusal, back=reverse("spark", args=[name]))
    messages.success(request, f"{name} is removed. Nothing was changed on the Spark itself.")
    return redirect("settings")
