"""Which launcher a slot has, and the plan it makes of a definition. Both launchers give the same LaunchPlan."""

from cluster.models import Launcher
from swaps.catalog.definition import Definition
from swaps.launcher.docker_run import build_docker_run
from swaps.launcher.launch import LaunchPlan, build_launch, image_of
from swaps.site import Site


def plan_launch(site: Site, definition: Definition, *, fence: int, swap_id: int) -> LaunchPlan:
    """Asks the head what its launcher or its image is like. Raises CannotLaunch with a sentence and a remedy."""
    placement = site.placement_for(definition)
    if site.slot.launcher == Launcher.DOCKER_RUN:
        entrypoint = site.entrypoint(image_of(definition, placement))
        return build_docker_run(definition, placement, entrypoint, fence=fence, swap_id=swap_id)
    return build_launch(definition, placement, site.capabilities(), fence=fence, swap_id=swap_id)
