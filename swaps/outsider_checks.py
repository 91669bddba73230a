"""What a preflight says about containers that others started. Pure; whose a container is decides launcher/outsiders."""

from collections.abc import Iterable, Iterator

from swaps.checks import Check, CheckState
from swaps.launcher.outsiders import Box, Outsider, in_the_way

CODE = "container-not-ours"
CONSENT = (
    "Stop it yourself, or agree that it is stopped: by the box in the dashboard's question before a swap or stop, "
    "stop_foreign: true in the API, or --stop-foreign of sparkctl. It is started again when the swap is cancelled, or "
    "fails with rollback."
)


def outsider_checks(
    node: str, boxes: Iterable[Box], container: str, port: int | None, *, consent: bool
) -> Iterator[Check]:
    """One check for each container in the way; blocking, unless the person agreed to its stop."""
    boxes = tuple(boxes)
    for outsider in in_the_way(boxes, container, port):
        yield _agreed(node, outsider) if consent else _refused(node, outsider)
    for box in boxes:
        if box.name == container and box.running and box.by_launcher and not box.ours:
            sentence = f"{container} on {node} was started by launch-cluster.sh outside Spark Control."
            yield Check("container-of-launcher", CheckState.WARNING, f"{sentence} The swap stops it.", node=node)


def _refused(node: str, outsider: Outsider) -> Check:
    return Check(CODE, CheckState.BLOCKS, f"{_who(node, outsider)} {_why(outsider)}", CONSENT, node)


def _agreed(node: str, outsider: Outsider) -> Check:
    box = outsider.box
    does = "renames it out of the way" if outsider.takes_name and not box.running else "stops it, as you agreed"
    back = " Docker would start it again by itself; the swap turns that off." if outsider.comes_back else ""
    return Check(CODE, CheckState.WARNING, f"{_who(node, outsider)} The swap {does}.{back}", node=node)


def _who(node: str, outsider: Outsider) -> str:
    box = outsider.box
    state = "" if box.running else ", which does not run,"
    return f"The container {box.name} on {node} ({box.image}){state} was not started by Spark Control."


def _why(outsider: Outsider) -> str:
    return "It has the container name of this slot." if outsider.takes_name else "It uses the port of this slot."
