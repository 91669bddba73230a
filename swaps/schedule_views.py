"""Pages of schedules: ours, which are made here, and those other schedulers have registered."""

from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from cluster.pages import may, needs, tell_refusal
from cluster.refusals import Invalid, Locked, Lost, Refusal
from swaps import heroes, lock_pills, plan_chart, schedule_rows
from swaps.models import Serving
from swaps.run_now import run_now
from swaps.schedule_forms import RuleForm, ScheduleForm, draft_of, filled
from swaps.schedules import actions
from swaps.schedules.checking import problems
from swaps.schedules.drafts import Draft, refuse_bad
from swaps.schedules.plan_rows import conflicts_with, plan_of
from swaps.schedules.rows import Schedule
from swaps.views import Ask, ask_page, has_moved, moved, requester

RUNS_SHOWN = 30
STANDARD = {"grace_minutes": "5"}  # the preview does not depend on it


def _may_edit(request: HttpRequest) -> bool:
    """A schedule acts later, so whoever makes it must be allowed to act now: the same rule as the API's."""
    return may(request, "schedule") and may(request, "swap")


@require_safe
def schedule_list(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    rows = schedule_rows.of_schedules(Schedule.objects.select_related("slot"), now)
    groups = [
        ("Spark Control's own", [row for row in rows if not row.schedule.is_external]),
        ("Registered by others", [row for row in rows if row.schedule.is_external]),
    ]
    context = {"groups": groups, "can_schedule": _may_edit(request)}
    template = "swaps/_schedule_groups.html" if request.headers.get("HX-Request") else "swaps/schedule_list.html"
    return render(request, template, context)


def _shown(schedule_id: int) -> Schedule:
    return get_object_or_404(Schedule.objects.select_related("slot"), pk=schedule_id)


def _detail(request: HttpRequest, schedule: Schedule) -> HttpResponse:
    now = timezone.now()
    entries = [entry for entry in plan_of(now).entries if entry.url == schedule.url]
    context = {
        "row": schedule_rows.of_schedules([schedule], now)[0],
        "schedule": schedule,
        "next_runs": schedule_rows.next_runs(schedule.rule(), now) if schedule.enabled else [],
        "clashes": plan_chart.clashes(entries),
        "runs": [schedule_rows.of_run(run) for run in schedule.runs.select_related("swap")[:RUNS_SHOWN]],
        "can_edit": _may_edit(request) and not schedule.is_external,
    }
    template = "swaps/_schedule_now.html" if request.headers.get("HX-Request") else "swaps/schedule_detail.html"
    return render(request, template, context)


@require_safe
def schedule_detail(request: HttpRequest, schedule_id: int) -> HttpResponse:
    return _detail(request, _shown(schedule_id))


@require_safe
def schedule_external(request: HttpRequest, owner: str, ref: str) -> HttpResponse:
    return _detail(request, get_object_or_404(Schedule.objects.external().select_related("slot"), owner=owner, ref=ref))


@require_safe
def preview_fragment(request: HttpRequest) -> HttpResponse:
    """The next runs of what is in the form now, and their conflicts; says nothing while it is not readable."""
    form = RuleForm(request.GET)
    context: dict[str, object] = {}
    if form.is_valid() and form.says_when():
        rule, now = form.rule(), timezone.now()
        wrong = problems(rule, now)
        context = {"wrong": wrong} if wrong else {"next_runs": schedule_rows.next_runs(rule, now)}
        whole = ScheduleForm(STANDARD | request.GET.dict())
        if not wrong and whole.is_valid() and whole.is_complete():
            schedule = Schedule.objects.filter(pk=_number(request.GET.get("schedule", ""))).first()
            context |= _in_the_way(schedule, whole.draft(enabled=True), now)
    return render(request, "swaps/_next_runs.html", context)


def _in_the_way(schedule: Schedule | None, draft: Draft, now: datetime) -> dict[str, object]:
    """What the draft would clash with if it were saved now."""
    draft = draft.anchored(schedule.anchor or now if schedule else now)
    saved = Schedule(pk=schedule.pk if schedule else None, **draft.columns())
    return {"in_the_way": plan_chart.clashes(conflicts_with(saved, now)), "looked": draft.enabled}


@needs("schedule")
@needs("swap")
@require_http_methods(["GET", "POST"])
def schedule_new(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return _form(request, None, ScheduleForm(initial={"slot": request.GET.get("slot")}))
    return _save(request, None)


@needs("schedule")
@needs("swap")
@require_http_methods(["GET", "POST"])
def schedule_edit(request: HttpRequest, schedule_id: int) -> HttpResponse:
    schedule = _shown(schedule_id)
    if schedule.is_external:
        messages.error(request, f"{schedule.title} is only shown here; {schedule.owner} changes it.")
        return redirect("schedule", schedule_id)
    return _form(request, schedule, filled(schedule)) if request.method == "GET" else _save(request, schedule)


def _save(request: HttpRequest, schedule: Schedule | None) -> HttpResponse:
    """The next runs first; nothing is kept before the person has seen them."""
    form = ScheduleForm(request.POST)
    if not form.is_valid() or request.POST.get("step") == "edit":
        return _form(request, schedule, form)
    draft = form.draft(enabled=schedule.enabled if schedule else True)
    try:
        if request.POST.get("step") != "save":
            return _review(request, schedule, form, draft)
        saved = _keep(request, schedule, draft)
    except Invalid as invalid:
        form.put(invalid)
        return _form(request, schedule, form)
    except Refusal as refusal:
        return tell_refusal(request, refusal, back=_back(schedule))
    messages.success(request, f"{saved.title} is scheduled.")
    return redirect("schedule", saved.pk)


def _keep(request: HttpRequest, schedule: Schedule | None, draft: Draft) -> Schedule:
    if schedule is None:
        return actions.make(draft, requester(request))
    return actions.change(schedule, draft, requester(request), expected_version=_version(request))


def _version(request: HttpRequest) -> int:
    return _number(request.POST.get("version", ""))


def _number(given: str) -> int:
    return int(given) if given.isdecimal() and len(given) < 10 else 0


def _back(schedule: Schedule | None) -> str:
    return reverse("schedule", args=[schedule.pk]) if schedule else reverse("schedule-list")


def _form(request: HttpRequest, schedule: Schedule | None, form: ScheduleForm) -> HttpResponse:
    title = f"Edit {schedule.title}" if schedule else "Make a schedule"
    version = request.POST.get("version") or (schedule.version if schedule else 0)
    context = {"form": form, "schedule": schedule, "title": title, "back": _back(schedule), "version": version}
    return render(request, "swaps/schedule_form.html", context, status=400 if form.errors else 200)


def _review(request: HttpRequest, schedule: Schedule | None, form: ScheduleForm, draft: Draft) -> HttpResponse:
    now = timezone.now()
    draft = draft.anchored(schedule.anchor or now if schedule else now)
    refuse_bad(draft, now)
    context = {
        "draft": draft,
        "next_runs": schedule_rows.next_runs(draft.rule, now),
        "given": [(name, request.POST.get(name, "")) for name in form.fields],
        "version": request.POST.get("version", "0"),
        "back": _back(schedule),
        **_in_the_way(schedule, draft, now),
    }
    return render(request, "swaps/schedule_review.html", context)


@needs("schedule")
@needs("swap")
@require_POST
def schedule_pause(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Pause it, or go on, whichever the page that was looked at offered."""
    schedule, enabled = _shown(schedule_id), request.POST.get("enabled") == "yes"
    try:
        draft = draft_of(schedule, enabled=enabled)
        actions.change(schedule, draft, requester(request), expected_version=_version(request))
    except Refusal as refusal:
        return tell_refusal(request, refusal, back=_back(schedule))
    said = "goes on from its next time" if enabled else "is paused; what runs goes on"
    messages.success(request, f"{schedule.title} {said}.")
    return redirect("schedule", schedule_id)


@needs("swap")
@require_http_methods(["GET", "POST"])
def schedule_run(request: HttpRequest, schedule_id: int) -> HttpResponse:
    schedule = _shown(schedule_id)
    slot = schedule.slot
    if request.method == "GET":
        return ask_page(request, _ask_run(schedule), slot=slot)
    if slot and has_moved(request, slot):
        return moved(request, slot) or ask_page(request, _ask_run(schedule, moved=True), 409, slot=slot)
    try:
        token = lock_pills.token_for(request, slot) if slot else None
        run = run_now(schedule, requester(request), lock_token=token)
    except Locked as locked:
        return ask_page(request, _ask_run(schedule), locked.status, slot=slot)
    except Refusal as refusal:
        return tell_refusal(request, refusal, back=_back(schedule))
    if run.swap_id:
        return redirect("swap", run.swap_id)
    messages.success(request, run.sentence)
    return redirect("schedule", schedule_id)


def _ask_run(schedule: Schedule, *, moved: bool = False) -> Ask:
    slot, cost = schedule.slot, []
    if slot and schedule.kind == "swap":
        cost = heroes.cost_of_stopping(slot, Serving.objects.filter(slot=slot).first())
    return Ask(
        title=f"Run {schedule.title} now?",
        sentences=[*cost, f"{schedule_rows.what_of(schedule)}.", "Its planned times stay as they are."],
        button="Run it now",
        back=_back(schedule),
        believed=heroes.belief(slot) if slot else "",
        moved=moved,
        address=reverse("schedule-run", args=[schedule.pk]),
    )


@needs("schedule")
@needs("swap")
@require_http_methods(["GET", "POST"])
def schedule_delete(request: HttpRequest, schedule_id: int) -> HttpResponse:
    schedule = _shown(schedule_id)
    if request.method == "GET":
        return ask_page(request, _ask_delete(schedule))
    try:
        actions.remove(schedule, requester(request), expected_version=_version_of_belief(request))
    except Lost:
        return ask_page(request, _ask_delete(schedule, moved=True), 412)
    except Refusal as refusal:
        return tell_refusal(request, refusal, back=_back(schedule))
    messages.success(request, f"{schedule.title} is forgotten.")
    return redirect("schedule-list")


def _version_of_belief(request: HttpRequest) -> int:
    return _number(request.POST.get("believed", ""))


def _ask_delete(schedule: Schedule, *, moved: bool = False) -> Ask:
    lost = f"{schedule.title} does not come due any more, and the history of its runs is lost."
    return Ask(
        title=f"Delete {schedule.title}?",
        sentences=[lost, "What it has started goes on."],
        button="Delete it",
        back=_back(schedule),
        believed=str(schedule.version),
        danger=True,
        moved=moved,
    )
