"""The public verbs of `swaps`: every door (REST, dashboard, admin, command line, schedules) calls these alone."""

import difflib
import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from cluster import events, idempotency, nudge, people
from cluster.idempotency import Answer
from cluster.models import Launcher, Slot
from cluster.refusals import Conflict, Invalid, Lost, Missing, Unprocessable
from swaps import locks, machine, outsider_checks, outsider_door, preflight, reopening, replacing, tasks
from swaps.catalog.definition import Definition, validate
from swaps.catalog.format import CatalogError, dump_catalog, load_catalog
from swaps.checks import Check, CheckState
from swaps.failures import StepFailed
from swaps.launcher.docker_run import unsupported
from swaps.models import ModelDefinition, Operation, Serving, ServingState, Swap, stored
from swaps.requester import Requester as Requester  # part of every verb's signature
from swaps.site import site_of
from swaps.states import TERMINAL
from swaps.warm_wish import WarmWish

DEFAULT_DEADLINE_SECONDS = 3600  # a cold load with kernel compilation takes up to 45 minutes
LONGEST_DEADLINE_SECONDS = 24 * 3600
WARM_DEADLINE_SECONDS = 900  # reading 200,000 tokens takes a Spark minutes


@dataclass(frozen=True, slots=True)
class Examination:
    """What a swap would meet and do: `plan` holds the masked commands in order."""

    ok: bool
    checks: list[Check]
    plan: list[str]

    @property
    def needs_consent(self) -> bool:
        """Only containers of somebody else's stand in the way, and nobody agreed to their stop yet."""
        return {check.code for check in self.checks if check.state is CheckState.BLOCKS} == {outsider_checks.CODE}


def request_swap(
    slot: Slot,
    model_key: str,
    by: Requester,
    *,
    rollback: bool | None = None,
    deadline_seconds: int | None = None,
    retry_of: Swap | None = None,
    lock_token: str | None = None,
    stop_foreign: bool = False,
) -> Swap:
    """Accept a swap of `slot` to the catalog entry `model_key`. Returns at once; a task worker drives it.

    `stop_foreign`: `by` agrees to the stop of containers that neither we nor the community launcher started.

    Raises Missing, Invalid, Unprocessable (it could never work), Conflict (one runs already), Locked (somebody holds
    the slot's lock and `lock_token` is missing), Lost (`lock_token` is of a hold that ended) and Unavailable (the
    database was restored, and the slot's Sparks have not been asked yet).
    """
    definition = find_model(model_key).as_definition()
    _refuse_hopeless(slot, definition)
    if not stop_foreign:
        outsider_door.refuse_outsiders(slot)
    return _accept(
        slot,
        by,
        deadline_seconds,
        operation=Operation.SWAP,
        model_key=definition.key,
        model_label=definition.label,
        definition=stored(definition),
        nodes=definition.nodes,
        rollback=bool(rollback),
        retry_of=retry_of,
        lock_token=lock_token,
        stop_foreign=stop_foreign,
    )


def request_stop(
    slot: Slot,
    by: Requester,
    *,
    deadline_seconds: int | None = None,
    lock_token: str | None = None,
    stop_foreign: bool = False,
) -> Swap:
    """Accept a stop: end what `slot` serves and leave it idle. Same life as a swap, and the same refusals."""
    if not stop_foreign:
        outsider_door.refuse_outsiders(slot)
    what = {"operation": Operation.STOP, "nodes": len(slot.sparks()), "stop_foreign": stop_foreign}
    return _accept(slot, by, deadline_seconds, lock_token=lock_token, **what)


def request_warm(
    slot: Slot,
    by: Requester,
    wish: WarmWish,
    *,
    deadline_seconds: int | None = None,
    lock_token: str | None = None,
) -> Swap:
    """Accept a warm-up of what `slot` serves. Same life as a swap, and never beside one; no container is touched.

    Raises Invalid, Unprocessable (nothing serves), Conflict, Locked and Lost.
    """
    if problems := wish.problems():
        raise Invalid("invalid", " ".join(p["message"] for p in problems), errors=problems)
    serving = Serving.objects.filter(slot=slot).first()
    if serving is None or serving.state != ServingState.SERVING:
        sentence = f"Nothing is known to serve on {slot.name}, so there is nothing to warm; swap to a model first."
        raise Unprocessable("nothing-serves", sentence)
    return _accept(
        slot,
        by,
        deadline_seconds or WARM_DEADLINE_SECONDS,
        operation=Operation.WARM,
        model_key=serving.model_key,
        model_label=serving.model_label,
        options=asdict(wish),
        lock_token=lock_token,
    )


def cancel_swap(swap: Swap, by: Requester, *, lock_token: str | None = None) -> Swap:
    """Ask a running swap to stop; its driver decides the end. Asking twice is the same as once.

    A swap that runs under somebody's lock is theirs: whoever neither asked for it nor has the token gets Locked.
    """
    refusal = locks.may_not_cancel(swap, lock_token, by)
    if refusal:
        raise refusal
    Swap.objects.ask_to_cancel(swap.pk, by.actor)
    swap.refresh_from_db()
    if swap.state in TERMINAL:
        raise Conflict("swap-ended", f"This swap has already ended ({swap.status}); there is nothing to cancel.")
    nudge.send(f"swap:{swap.pk}")
    return swap


def retry_swap(swap: Swap, by: Requester, *, lock_token: str | None = None, stop_foreign: bool | None = None) -> Swap:
    """Ask for the same thing again, as a new swap, with the catalog entry as it is now.

    `stop_foreign` None: as it was agreed then.
    """
    agreed = swap.stop_foreign if stop_foreign is None else stop_foreign
    if swap.is_active:
        raise Conflict("swap-in-progress", "This swap still runs; cancel it first.", location=_address(swap))
    if swap.operation == Operation.STOP:
        return request_stop(swap.slot, by, lock_token=lock_token, stop_foreign=agreed)
    if swap.operation == Operation.WARM:
        return request_warm(swap.slot, by, WarmWish(**swap.options), lock_token=lock_token)
    return request_swap(
        swap.slot,
        swap.model_key,
        by,
        rollback=swap.rollback,
        retry_of=swap,
        lock_token=lock_token,
        stop_foreign=agreed,
    )


def examine(slot: Slot, model_key: str, *, stop_foreign: bool = False) -> Examination:
    """Run the preflight now, over SSH, without changing anything. Takes about a second."""
    definition = find_model(model_key).as_definition()
    verdict = preflight.run(site_of(slot), definition, stop_foreign=stop_foreign)
    return Examination(verdict.ok, verdict.checks, verdict.plan)


def examine_stop(slot: Slot) -> Examination:
    """What a stop of `slot` would meet, changing nothing: containers that somebody else started."""
    try:
        checks = replacing.look(site_of(slot), consent=False)
    except StepFailed as failure:
        checks = [Check(failure.cause.code, CheckState.BLOCKS, failure.cause.sentence, failure.cause.remedy)]
    return Examination(not any(check.state is CheckState.BLOCKS for check in checks), checks, [])


def find_model(key: str) -> ModelDefinition:
    """The catalog entry. Raises Missing with the closest keys."""
    found = ModelDefinition.objects.filter(key=key).first()
    if found:
        return found
    keys = list(ModelDefinition.objects.values_list("key", flat=True))
    close = difflib.get_close_matches(key, keys, n=3, cutoff=0.4)
    hint = f" Did you mean {' or '.join(close)}?" if close else " GET /api/models lists the catalog."
    raise Missing("unknown-model", f"There is no model {key!r} in the catalog.{hint}", extra={"close": close})


def find_slot(name: str | None) -> Slot:
    """The slot of that name, or the default one. Raises Missing."""
    slot = Slot.objects.named(name)
    if slot:
        return slot
    names = ", ".join(Slot.objects.values_list("name", flat=True)) or "none yet"
    raise Missing("unknown-slot", f"There is no slot {name or 'main'!r}. Slots: {names}.")


def _accept(slot: Slot, by: Requester, deadline_seconds: int | None, *, lock_token: str | None, **fields: Any) -> Swap:
    seconds = _deadline(deadline_seconds)
    reopening.refuse_closed(slot)
    try:
        with transaction.atomic():
            swap = Swap.objects.create(
                slot=slot,
                actor=by.actor,
                trigger=by.trigger,
                deadline_at=timezone.now() + timedelta(seconds=seconds),
                enqueued_at=timezone.now(),
                **_what_serves(slot),
                **fields,
            )
            locks.pin(swap, token=lock_token, by=by)
            machine.accept(swap)
            idempotency.foretell(_promise(swap))
            transaction.on_commit(lambda: tasks.enqueue(swap.pk))
    except IntegrityError:
        raise locks.refusal_of(slot, lock_token, by) or in_progress(slot) from None
    return swap


def _promise(swap: Swap) -> Answer:
    """What a caller hears who repeats a call whose process died before it could answer: where the swap is."""
    body = {name: getattr(swap, name) for name in ("id", "operation", "status")}
    body |= {"slot": swap.slot.name, "model": swap.model_key, "url": _address(swap)}
    headers = {"Content-Type": "application/json", "Location": _address(swap), "Retry-After": "2"}
    return Answer(202, headers, json.dumps(body))


def in_progress(slot: Slot) -> Conflict:
    """The refusal that names the swap that holds the slot."""
    running = Swap.objects.active().filter(slot=slot).first()
    if running is None:  # it ended between our insert and this look
        return Conflict("swap-in-progress", "A swap on this slot ended this moment; ask again.", retry_after_seconds=1)
    return Conflict(
        "swap-in-progress",
        f"{people.named(running.actor)} is changing {slot.name} already: {running.model_label or 'stop'}, "
        f"{running.status}. Wait for {_address(running)} or cancel it.",
        location=_address(running),
        retry_after_seconds=5,
        extra={"swap": {"id": running.pk, "model": running.model_key, "status": running.status}},
    )


def _what_serves(slot: Slot) -> dict[str, Any]:
    serving = Serving.objects.filter(slot=slot).first()
    if serving is None or not serving.model_key:
        return {}
    return {"from_model": serving.model_key, "from_definition": serving.definition}


def _deadline(seconds: int | None) -> int:
    if seconds is None:
        return DEFAULT_DEADLINE_SECONDS
    if 10 <= seconds <= LONGEST_DEADLINE_SECONDS:
        return seconds
    message = f"Write between 10 and {LONGEST_DEADLINE_SECONDS} seconds."
    raise Invalid("invalid", message, errors=[{"field": "deadline_seconds", "message": message}])


def _refuse_hopeless(slot: Slot, definition: Definition) -> None:
    """What needs no look at the Sparks to be refused."""
    checks = [Check(f"definition-{p.field}", CheckState.BLOCKS, p.message) for p in validate(definition)]
    if slot.launcher == Launcher.DOCKER_RUN:
        checks += [Check(no.code, CheckState.BLOCKS, no.sentence, no.remedy) for no in unsupported(definition)]
    have = len(slot.sparks())
    if definition.nodes > have:
        checks.append(
            Check(
                "not-enough-sparks",
                CheckState.BLOCKS,
                f"{definition.label} needs {definition.nodes} Sparks; slot {slot.name} has {have}.",
                "Choose another model, or add a worker Spark to the slot.",
            )
        )
    if checks:
        sentence = " ".join(f"{check.sentence} {check.remedy}".strip() for check in checks)
        raise Unprocessable("preflight-refused", sentence, extra={"checks": [c.as_dict() for c in checks]})


def _address(swap: Swap) -> str:
    return f"/api/swap/{swap.pk}"


def save_model(definition: Definition, by: Requester, *, expected_version: int | None = None) -> ModelDefinition:
    """Create the entry (no `expected_version`) or replace the version the caller looked at.

    Raises Invalid with every field that is wrong, Conflict when the key is taken, Lost when somebody else was faster.
    """
    problems = validate(definition)
    if problems:
        errors = [{"field": p.field, "message": p.message} for p in problems]
        raise Invalid("invalid", " ".join(p.message for p in problems), errors=errors)
    with transaction.atomic():
        created = expected_version is None
        entry = _insert(definition) if expected_version is None else _replace(definition, expected_version)
        verb = "added" if created else "changed"
        events.record(
            f"model.{verb}",
            f"{people.named(by.actor)} {verb} {definition.label}.",
            actor=by.actor,
            data={"model": definition.key},
        )
    return entry


def delete_model(key: str, by: Requester, *, expected_version: int | None = None) -> None:
    """Remove the entry from the catalog; weights stay on the Sparks. Raises Missing, Lost, or Conflict while used."""
    entry = find_model(key)
    if expected_version not in (None, entry.version):
        raise _moved(entry)
    if Swap.objects.active().filter(model_key=key).exists():
        raise Conflict("model-in-use", f"A swap to {entry.label} runs; cancel it or wait for its end.")
    with transaction.atomic():
        entry.delete()
        events.record(
            "model.removed", f"{people.named(by.actor)} removed {entry.label}.", actor=by.actor, data={"model": key}
        )


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Keys by what the import did with them; `skipped` has the problems of each, `remarks` what was read but unused."""

    added: list[str]
    changed: list[str]
    unchanged: list[str]
    skipped: list[tuple[str, list[str]]]
    remarks: list[tuple[str, str]]


def import_catalog(text: str, by: Requester) -> ImportReport:
    """Take in a models.yaml: bad entries are skipped and told, the rest is kept. Raises Invalid on unreadable YAML."""
    try:
        catalog = load_catalog(text)
    except CatalogError as error:
        raise Invalid("invalid", str(error), errors=[{"field": "catalog", "message": str(error)}]) from error
    skipped = [(entry.key, [problem.message for problem in entry.problems]) for entry in catalog.skipped]
    report = ImportReport([], [], [], skipped, [(remark.key, remark.message) for remark in catalog.remarks])
    with transaction.atomic():
        for definition in catalog.definitions:
            _import(definition, by, report)
    return report


def export_catalog() -> str:
    """The whole catalog as YAML that import_catalog reads back without loss."""
    return dump_catalog([entry.as_definition() for entry in ModelDefinition.objects.all()])


def _import(definition: Definition, by: Requester, report: ImportReport) -> None:
    known = ModelDefinition.objects.filter(key=definition.key).first()
    if known is None:
        save_model(definition, by)
        report.added.append(definition.key)
    elif known.as_definition() == definition:
        report.unchanged.append(definition.key)
    else:
        save_model(definition, by, expected_version=known.version)
        report.changed.append(definition.key)


def _insert(definition: Definition) -> ModelDefinition:
    try:
        with transaction.atomic():
            return ModelDefinition.objects.create(**_columns(definition))
    except IntegrityError:
        message = f"The key {definition.key} is taken; choose another, or edit that entry."
        raise Conflict("key-taken", message, errors=[{"field": "key", "message": message}]) from None


def _replace(definition: Definition, expected_version: int) -> ModelDefinition:
    current = ModelDefinition.objects.filter(key=definition.key, version=expected_version)
    if current.update(**_columns(definition), version=expected_version + 1, updated_at=timezone.now()) != 1:
        raise _moved(find_model(definition.key))
    return ModelDefinition.objects.get(key=definition.key)


def _columns(definition: Definition) -> dict[str, Any]:
    lists = {name: list(getattr(definition, name)) for name in ("args", "launcher_args", "docker_args", "mods")}
    texts = {"repo": definition.repo or "", "local_path": definition.local_path or "", "env": dict(definition.env)}
    return {**stored(definition), **lists, **texts}


def _moved(entry: ModelDefinition) -> Lost:
    return Lost(
        "changed-meanwhile",
        f"Somebody changed {entry.label} since you read it; read it again (version {entry.version}) and repeat.",
        extra={"version": entry.version},
    )
