"""Everything that can be asked before the old model is stopped. Changes nothing on any Spark."""

from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cluster.models import ForeignPolicy, Launcher
from cluster.readings import HostReading
from cluster.ssh.base import CommandResult
from cluster.ssh.command import Command
from swaps.catalog.definition import Definition
from swaps.checks import Check, CheckState
from swaps.launcher import node_commands
from swaps.launcher.launch import CannotLaunch, LaunchPlan, image_of
from swaps.launcher.node_reports import PreflightFacts, read_preflight
from swaps.launcher.outsider_commands import boxes
from swaps.launcher.outsiders import read_boxes
from swaps.memory_rules import GIB, floor_checks, node_memory
from swaps.outsider_checks import outsider_checks
from swaps.planning import plan_launch
from swaps.preflight_rules import Terms, judge
from swaps.site import Site

QUESTION_SECONDS = 40.0
ASIDE_SECONDS = 15.0  # for a Spark of the slot that this model does not need
SAID_ALREADY = frozenset({"docker-unavailable", "image-missing"})  # then no plan for docker run can be made either


@dataclass(frozen=True, slots=True)
class Verdict:
    """`plan` holds the masked commands; empty when no plan can be made."""

    checks: list[Check]
    plan: list[str]

    @property
    def ok(self) -> bool:
        return not any(check.state is CheckState.BLOCKS for check in self.checks)


def run(site: Site, definition: Definition, *, stop_foreign: bool = False) -> Verdict:
    """Ask every node at once and judge. Takes as long as the slowest node.

    `stop_foreign`: whoever asks agrees to the stop of containers that are not ours.
    """
    nodes = site.names_for(definition)
    with ThreadPoolExecutor(1) as aside:
        plan_or_trouble = aside.submit(_plan, site, definition)
        # A stop reaches every Spark of the slot, so whose containers are there counts on those not needed now, too.
        questions = {node: _question(site, definition) if node in nodes else boxes() for node in site.names}
        limits = {node: QUESTION_SECONDS if node in nodes else ASIDE_SECONDS for node in site.names}
        answers = site.on_each(site.names, lambda node: site.ask(node, questions[node], timeout=limits[node]))
    facts = {node: _read(answers[node]) for node in nodes}
    silent = {node: answers[node].reason for node in nodes if facts[node] is None}
    heard = {node: fact for node, fact in facts.items() if fact is not None}
    image = image_of(definition, site.placement_for(definition))
    refuses = site.slot.foreign_gpu_users == ForeignPolicy.REFUSE
    terms = Terms(site.slot.launcher == Launcher.DOCKER_RUN, site.slot.vllm_port, stop_foreign, refuses)
    checks = judge(heard, silent, definition, site.slot.container_name, image, terms)
    checks += _memory_checks(site, definition, heard)
    for node in site.names[len(nodes) :]:
        there = read_boxes(answers[node].stdout.splitlines())
        checks += outsider_checks(node, there, site.slot.container_name, None, consent=stop_foreign)
    plan, trouble = plan_or_trouble.result() if site.head in heard else (None, None)
    if trouble and any(check.state is CheckState.BLOCKS and check.code in SAID_ALREADY for check in checks):
        trouble = None
    return Verdict([*checks, *([trouble] if trouble else [])], list(plan.display()) if plan else [])


def _memory_checks(site: Site, definition: Definition, heard: Container[str]) -> list[Check]:
    nodes = [
        node_memory(s.name, HostReading.from_dict(s.reading), s.idle_available_bytes, site.slot.container_name)
        for s in site.sparks
        if s.name in heard
    ]
    return floor_checks(nodes, definition, site.slot.memory_floor_gib * GIB)


def _plan(site: Site, definition: Definition) -> tuple[LaunchPlan | None, Check | None]:
    try:
        return plan_launch(site, definition, fence=0, swap_id=0), None
    except CannotLaunch as no:
        return None, Check(no.code, CheckState.BLOCKS, no.sentence, no.remedy, site.head)


def _question(site: Site, definition: Definition) -> Command:
    return node_commands.preflight_facts(
        container=site.slot.container_name,
        port=site.slot.vllm_port,
        image=image_of(definition, site.placement_for(definition)),
        launcher_dir=site.launcher_dir,
        slot=site.slot.name,
        repo=definition.repo,
        local_path=definition.local_path,
        mods=definition.mods,
    )


def _read(result: CommandResult) -> PreflightFacts | None:
    return read_preflight(result.stdout) if result.exit_status is not None else None
