"""Rows of `swaps` as the API tells them. Plain dicts: the status call has no time for serializers."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from cluster.api.serializers import moment
from cluster.models import Slot
from swaps.api.drift_shape import drift_document
from swaps.lock_view import in_short
from swaps.models import ModelDefinition, Serving, ServingState, Swap
from swaps.states import Status, phase_label
from swaps.story import PhaseTime, Story, tell


def swap_summary(swap: Swap) -> dict[str, Any]:
    """A swap in a list; the slot must be loaded."""
    return {
        "id": swap.pk,
        "slot": swap.slot.name,
        "operation": swap.operation,
        "model": swap.model_key,
        "model_label": swap.model_label,
        "from_model": swap.from_model or None,
        "status": swap.status,
        "percent": swap.percent,
        "actor": swap.actor,
        "trigger": swap.trigger,
        "diagnosis": _diagnosis(swap),
        "accepted_at": moment(swap.accepted_at),
        "started_at": moment(swap.started_at),
        "ended_at": moment(swap.ended_at),
        "url": f"/api/swap/{swap.pk}",
    }


def swap_document(swap: Swap, now: datetime | None = None) -> dict[str, Any]:
    """A swap with its story. Reads the transitions and, while it runs, past loads."""
    story = tell(swap, now or timezone.now())
    phase = _current(swap, story)
    return {
        **swap_summary(swap),
        "phase": str(phase),
        "phase_label": phase_label(phase),
        "percent": story.percent,
        "detail": story.detail,
        "eta_seconds": story.remaining_seconds,
        "eta_text": story.remaining_text,
        "slower_than_usual": story.slower_than_usual,
        "elapsed_seconds": story.elapsed_seconds,
        "phases": [_phase(step) for step in story.phases],
        "checks": swap.checks,
        "plan": swap.plan,
        "result": swap.result or None,
        "rollback": swap.rollback,
        "stop_foreign": swap.stop_foreign,
        "rolled_back_to": swap.rolled_back_to or None,
        "lock": {"holder": swap.holder, "fence": swap.hold_fence} if swap.holder else None,
        "fence": swap.fence,
        "cancel_requested_at": moment(swap.cancel_requested_at),
        "cancelled_by": swap.cancelled_by or None,
        "deadline_at": moment(swap.deadline_at),
        "retry_of": swap.retry_of_id,
        "last_seq": swap.last_seq,
        "stream_url": f"/api/swap/{swap.pk}/stream",
        "log_url": f"/api/swap/{swap.pk}/log",
    }


def _current(swap: Swap, story: Story) -> Status:
    """Where it is; for an ended swap, the end."""
    if not swap.is_active:
        return swap.state
    return next((step.status for step in story.phases if step.state == "current"), swap.state)


def _phase(step: PhaseTime) -> dict[str, Any]:
    return {
        "phase": str(step.status),
        "label": step.label,
        "state": step.state,
        "seconds": step.seconds,
        "started_at": moment(step.started_at),
    }


def _diagnosis(swap: Swap) -> dict[str, str] | None:
    if not (swap.diagnosis_code or swap.diagnosis):
        return None
    return {
        "code": swap.diagnosis_code,
        "sentence": swap.diagnosis,
        "remedy": swap.remedy,
        "evidence": swap.evidence,
    }


def serving_document(serving: Serving | None) -> dict[str, Any]:
    if serving is None:
        serving = Serving()
    return {
        "state": serving.state,
        "model": (serving.model_key if serving.state != ServingState.UNKNOWN else "") or None,
        "model_label": serving.model_label,
        "served_ids": serving.served_ids,
        "max_model_len": serving.max_model_len,
        "since": moment(serving.since),
        "checked_at": moment(serving.checked_at),
        "problem": serving.problem,
        "wedged_since": moment(serving.wedged_since),
        "metrics": serving.metrics,
    }


active_document = in_short


def slot_document(slot: Slot, serving: Serving | None, active: Swap | None) -> dict[str, Any]:
    head, *workers = slot.sparks()
    return {
        "name": slot.name,
        "label": slot.label,
        "is_default": slot.is_default,
        "head": head.name,
        "workers": [worker.name for worker in workers],
        "port": slot.vllm_port,
        "container": slot.container_name,
        "launcher": slot.launcher,
        "launcher_dir": slot.launcher_dir,
        "image": slot.image,
        "memory_floor_gib": slot.memory_floor_gib,
        "drop_caches": slot.drop_caches,
        "foreign_gpu_users": slot.foreign_gpu_users,
        "relaunches_per_hour": slot.relaunches_per_hour,
        "base_url": slot.base_url,
        "serving": serving_document(serving),
        "drift": drift_document(serving),
        "active_swap": active_document(active),
        "url": f"/api/slots/{slot.name}",
    }


def model_document(entry: ModelDefinition) -> dict[str, Any]:
    return {
        "key": entry.key,
        "label": entry.label,
        "repo": entry.repo or None,
        "local_path": entry.local_path or None,
        "args": entry.args,
        "env": entry.env,
        "nodes": entry.nodes,
        "launcher_args": entry.launcher_args,
        "docker_args": entry.docker_args,
        "mods": entry.mods,
        "image": entry.image,
        "expected_load_seconds": entry.expected_load_seconds,
        "notes": entry.notes,
        "served_names": list(entry.as_definition().served_names()),
        "version": entry.version,
        "created_at": moment(entry.created_at),
        "updated_at": moment(entry.updated_at),
        "url": f"/api/models/{entry.key}",
    }
