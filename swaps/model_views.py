"""Pages of the catalog."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from cluster.forms import put_refusal
from cluster.models import Slot
from cluster.pages import may, needs, tell_refusal
from cluster.refusals import Refusal
from swaps import actions, definition_text, model_rows, swap_rows
from swaps.catalog.definition import validate
from swaps.forms import ImportForm, ModelForm, filled
from swaps.models import ModelDefinition, Swap
from swaps.views import Ask, requester

SWAPS_SHOWN = 8


@require_safe
def model_list(request: HttpRequest) -> HttpResponse:
    query = request.GET.get("q", "").strip()
    template = "swaps/_model_rows.html" if request.headers.get("HX-Request") else "swaps/model_list.html"
    context = {
        "rows": model_rows.rows(query),
        "query": query,
        "address": request.get_full_path(),
        "can_swap": may(request, "swap"),
        "can_edit": may(request, "config"),
    }
    return render(request, template, context)


@require_safe
def model_detail(request: HttpRequest, key: str) -> HttpResponse:
    model = get_object_or_404(ModelDefinition, key=key)
    past = Swap.objects.filter(model_key=key).for_pages()[:SWAPS_SHOWN]
    context = {
        "row": model_rows.for_models([model])[0],
        "model": model,
        "fields": definition_text.as_fields(model.as_definition()),
        "slots": [slot for slot in Slot.objects.with_sparks() if len(slot.sparks()) >= model.nodes],
        "swaps": swap_rows.of_swaps(past),
        "can_swap": may(request, "swap"),
        "can_edit": may(request, "config"),
    }
    return render(request, "swaps/model_detail.html", context)


@needs("config")
@require_http_methods(["GET", "POST"])
def model_new(request: HttpRequest) -> HttpResponse:
    offered = {name: request.GET.get(name, "") for name in ("repo", "label", "key")}
    form = ModelForm(request.POST or None, initial={"nodes": 1} | offered)
    if request.method == "POST" and form.is_valid():
        try:
            model = actions.save_model(form.definition(), requester(request))
            messages.success(request, f"{model.label} is in the catalog.")
            return redirect("model", model.key)
        except Refusal as refusal:
            put_refusal(form, refusal)
    context = {"form": form, "title": "Add a model", "back": reverse("model-list")}
    return render(request, "swaps/model_form.html", context, status=400 if form.errors else 200)


@needs("config")
@require_http_methods(["GET", "POST"])
def model_edit(request: HttpRequest, key: str) -> HttpResponse:
    model = get_object_or_404(ModelDefinition, key=key)
    if request.method == "GET":
        return _form(request, model, filled(model.as_definition()), model.version)
    form = ModelForm({**request.POST.dict(), "key": key})
    version = _version(request)
    if not form.is_valid() or request.POST.get("step") == "edit":
        return _form(request, model, form, version)
    if request.POST.get("step") != "save":
        return _review(request, model, form, version)
    try:
        actions.save_model(form.definition(), requester(request), expected_version=version)
    except Refusal as refusal:
        put_refusal(form, refusal)
        return _form(request, model, form, model.version)
    messages.success(request, f"{form.cleaned_data['label']} is saved. What serves now is not touched.")
    return redirect("model", key)


def _version(request: HttpRequest) -> int:
    given = request.POST.get("version", "")
    return int(given) if given.isdecimal() and len(given) < 10 else 0


def _form(request: HttpRequest, model: ModelDefinition, form: ModelForm, version: int) -> HttpResponse:
    form.fields["key"].disabled = True
    form.fields["key"].initial = model.key
    context = {"form": form, "model": model, "version": version, "title": f"Edit {model.label}"}
    context["back"] = reverse("model", args=[model.key])
    return render(request, "swaps/model_form.html", context, status=400 if form.errors else 200)


def _review(request: HttpRequest, model: ModelDefinition, form: ModelForm, version: int) -> HttpResponse:
    """The changes line by line, before they are saved; mistakes send the person back to the form."""
    problems = validate(form.definition())
    for problem in problems:
        form.add_error(problem.field if problem.field in form.fields else None, problem.message)
    if problems:
        return _form(request, model, form, version)
    told = definition_text.changes(model.as_definition(), form.definition())
    given = [(name, request.POST.get(name, "")) for name in form.fields]
    context = {"model": model, "changes": told, "given": given, "version": version}
    return render(request, "swaps/model_review.html", context)


@needs("config")
@require_http_methods(["GET", "POST"])
def model_delete(request: HttpRequest, key: str) -> HttpResponse:
    model = get_object_or_404(ModelDefinition, key=key)
    back = reverse("model", args=[key])
    if request.method == "GET":
        lost = f"The entry {key} is lost, with its arguments. Weights on the Sparks and past swaps stay."
        ask = Ask(f"Delete {model.label} from the catalog?", [lost], "Delete the entry", back, danger=True)
        return render(request, "swaps/ask.html", {"ask": ask})
    try:
        actions.delete_model(key, requester(request), expected_version=None)
    except Refusal as refusal:
        return tell_refusal(request, refusal, back=back)
    messages.success(request, f"{model.label} is no longer in the catalog.")
    return redirect("model-list")


@needs("config")
@require_http_methods(["GET", "POST"])
def model_import(request: HttpRequest) -> HttpResponse:
    form = ImportForm(request.POST or None, request.FILES or None)
    report = None
    if request.method == "POST" and form.is_valid():
        try:
            report = actions.import_catalog(form.cleaned_data["yaml"], requester(request))
        except Refusal as refusal:
            put_refusal(form, refusal)
    return render(request, "swaps/model_import.html", {"form": form, "report": report})


@require_safe
def model_export(_request: HttpRequest) -> HttpResponse:
    name = f"models-{timezone.localdate():%Y-%m-%d}.yaml"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(actions.export_catalog(), content_type="application/yaml; charset=utf-8", headers=headers)
