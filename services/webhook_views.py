"""Pages of webhooks: who is told, how that went, and sending it again."""

from datetime import timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from cluster.encryption import EncryptionError
from cluster.forms import put_refusal
from cluster.pages import actor_of, may, needs, tell_refusal
from cluster.refusals import Lost, Refusal
from services import webhook_rows
from services.webhook_forms import ReplayForm, WebhookForm, filled
from services.webhooks import actions, bodies
from services.webhooks.rows import Delivery, DeliveryState, WebhookEndpoint
from swaps.views import Ask, ask_page

DELIVERIES_SHOWN = 40
COPY_IT = "Receivers verify the signature with this secret. It is shown now and never again; copy it to the receiver."


@require_safe
@needs("config")
def webhook_list(request: HttpRequest) -> HttpResponse:
    template = "services/_webhook_rows.html" if request.headers.get("HX-Request") else "services/webhook_list.html"
    return render(request, template, {"rows": webhook_rows.rows()})


def _shown(webhook_id: int) -> WebhookEndpoint:
    return get_object_or_404(WebhookEndpoint, pk=webhook_id)


@require_safe
@needs("config")
def webhook_detail(request: HttpRequest, webhook_id: int) -> HttpResponse:
    endpoint, status = _shown(webhook_id), request.GET.get("status", "")
    found = Delivery.objects.filter(endpoint=endpoint).select_related("message", "endpoint")
    if status in DeliveryState.values:
        found = found.filter(status=status)
    context = {
        "row": webhook_rows.row_of(endpoint),
        "endpoint": endpoint,
        "header_names": webhook_rows.header_names(endpoint),
        "deliveries": webhook_rows.of_deliveries(found[:DELIVERIES_SHOWN]),
        "status": status,
        "states": DeliveryState.choices,
        "address": request.get_full_path(),
    }
    template = "services/_webhook_now.html" if request.headers.get("HX-Request") else "services/webhook_detail.html"
    return render(request, template, context)


@needs("config")
@require_http_methods(["GET", "POST"])
def webhook_new(request: HttpRequest) -> HttpResponse:
    form = WebhookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            secret = form.cleaned_data["secret"] or None
            endpoint, text = actions.add(form.settings(), secret=secret, by=actor_of(request))
            return _show_secret(request, endpoint, text)
        except Refusal as refusal:
            put_refusal(form, refusal)
        except EncryptionError as error:
            form.add_error(None, str(error))
    context = {"form": form, "title": "Add a webhook", "back": reverse("webhook-list")}
    return render(request, "services/webhook_form.html", context, status=400 if form.errors else 200)


def _show_secret(request: HttpRequest, endpoint: WebhookEndpoint, text: str) -> HttpResponse:
    """In the answer that made it and nowhere else; pages are never stored by browsers."""
    onward = reverse("webhook", args=[endpoint.pk])
    context = {"title": f"Secret of {endpoint.name}", "words": COPY_IT, "text": text, "onward": onward}
    return render(request, "services/shown_once.html", context)


@needs("config")
@require_http_methods(["GET", "POST"])
def webhook_edit(request: HttpRequest, webhook_id: int) -> HttpResponse:
    endpoint = _shown(webhook_id)
    names = webhook_rows.header_names(endpoint)
    form = WebhookForm(request.POST) if request.method == "POST" else filled(endpoint, names)
    if form.is_bound and form.is_valid():
        try:
            version = _number(request, "version")
            actions.change(endpoint, form.settings(), expected_version=version, by=actor_of(request))
            messages.success(request, f"{endpoint.name} is saved; what waits is tried at once.")
            return redirect("webhook", webhook_id)
        except Refusal as refusal:
            put_refusal(form, refusal)
        except EncryptionError as error:
            form.add_error(None, str(error))
    context = {"form": form, "title": f"Edit {endpoint.name}", "back": reverse("webhook", args=[webhook_id])}
    context |= {"endpoint": endpoint, "header_names": names}
    return render(request, "services/webhook_form.html", context, status=400 if form.errors else 200)


def _number(request: HttpRequest, name: str) -> int:
    given = request.POST.get(name, "")
    return int(given) if given.isdecimal() and len(given) < 10 else 0


@needs("config")
@require_POST
def webhook_ping(request: HttpRequest, webhook_id: int) -> HttpResponse:
    try:
        delivery = actions.ping(_shown(webhook_id), by=actor_of(request))
    except Refusal as refusal:
        return tell_refusal(request, refusal, back=reverse("webhook", args=[webhook_id]))
    return redirect("webhook-delivery", webhook_id, delivery.pk)


@needs("config")
@require_http_methods(["GET", "POST"])
def webhook_replay(request: HttpRequest, webhook_id: int) -> HttpResponse:
    endpoint, back = _shown(webhook_id), reverse("webhook", args=[webhook_id])
    form = ReplayForm(request.POST or None, initial={"since": timezone.localtime() - timedelta(hours=1)})
    if request.method == "POST" and form.is_valid():
        try:
            everything = form.cleaned_data["what"] == "all"
            since = form.cleaned_data["since"]
            count = actions.replay(endpoint, since=since, everything=everything, by=actor_of(request))
        except Refusal as refusal:
            return tell_refusal(request, refusal, back=back)
        messages.success(request, f"{count} message{'s are' if count != 1 else ' is'} on the way again.")
        return redirect(back)
    context = {"form": form, "endpoint": endpoint, "back": back}
    return render(request, "services/webhook_replay.html", context, status=400 if form.errors else 200)


@needs("config")
@require_http_methods(["GET", "POST"])
def webhook_rotate(request: HttpRequest, webhook_id: int) -> HttpResponse:
    endpoint, back = _shown(webhook_id), reverse("webhook", args=[webhook_id])
    if request.method == "GET":
        lost = "The present secret signs along for 24 hours, which is the time to give the receiver the new one."
        return ask_page(request, Ask(f"Make a new secret for {endpoint.name}?", [lost], "Make a new secret", back))
    try:
        endpoint, text = actions.rotate(endpoint, by=actor_of(request))
    except EncryptionError as error:
        messages.error(request, str(error))
        return redirect(back)
    return _show_secret(request, endpoint, text)


@needs("config")
@require_http_methods(["GET", "POST"])
def webhook_remove(request: HttpRequest, webhook_id: int) -> HttpResponse:
    endpoint = _shown(webhook_id)
    if request.method == "GET":
        return ask_page(request, _ask_remove(endpoint))
    try:
        actions.remove(endpoint, expected_version=_number(request, "believed"), by=actor_of(request))
    except Lost as lost:
        return ask_page(request, _ask_remove(endpoint, moved=True), lost.status)
    messages.success(request, f"{endpoint.name} is removed.")
    return redirect("webhook-list")


def _ask_remove(endpoint: WebhookEndpoint, *, moved: bool = False) -> Ask:
    waiting = endpoint.deliveries.pending().count()
    lost = [f"Its secret and its log are lost{f', and {waiting} waiting messages are not sent' if waiting else ''}."]
    return Ask(
        title=f"Remove the webhook {endpoint.name}?",
        sentences=lost,
        button="Remove it",
        back=reverse("webhook", args=[endpoint.pk]),
        believed=str(endpoint.version),
        danger=True,
        moved=moved,
    )


def _delivery(webhook_id: int, delivery_id: int) -> Delivery:
    found = Delivery.objects.select_related("message", "endpoint")
    return get_object_or_404(found, pk=delivery_id, endpoint_id=webhook_id)


@require_safe
@needs("config")
def delivery_detail(request: HttpRequest, webhook_id: int, delivery_id: int) -> HttpResponse:
    delivery = _delivery(webhook_id, delivery_id)
    endpoint = delivery.endpoint
    body, _ = bodies.body(delivery.message.as_message(), endpoint.shape, endpoint.template, endpoint.options)
    context = {
        "sent": webhook_rows.of_delivery(delivery),
        "delivery": delivery,
        "endpoint": endpoint,
        "body": body,
        "tries": delivery.tries.order_by("-id"),
        # An answer may come from any machine of the network, so it is for those who may see everything.
        "can_see_answers": may(request, "admin"),
    }
    template = "services/_delivery_now.html" if request.headers.get("HX-Request") else "services/delivery.html"
    return render(request, template, context)


@needs("config")
@require_POST
def delivery_again(request: HttpRequest, webhook_id: int, delivery_id: int) -> HttpResponse:
    try:
        actions.redeliver(_delivery(webhook_id, delivery_id), by=actor_of(request))
    except Refusal as refusal:
        return tell_refusal(request, refusal, back=reverse("webhook-delivery", args=[webhook_id, delivery_id]))
    messages.success(request, "On its way again, under the same id.")
    return redirect("webhook-delivery", webhook_id, delivery_id)
