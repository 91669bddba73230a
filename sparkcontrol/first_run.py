"""What a start makes sure of: the sign-in, the API key, Spark Control's own SSH key, the catalog, the demo Sparks.

Every step looks before it writes, so that a second start changes nothing a person has changed since.
"""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model

from cluster import actions as cluster_actions
from cluster.models import Slot, Spark
from services import actions as services_actions
from sparkcontrol import demo
from swaps import actions as swaps_actions
from swaps.actions import Requester
from swaps.models import Serving, SwapLock, Trigger

ACTOR = "command:bootstrap"
ADMIN = "admin"
SCOPES = ["admin"]


def set_up(simulated: Path | None = None) -> list[str]:
    """Run at every start. Lines for the person who started it: the address and how to sign in."""
    people = get_user_model().objects
    first = not people.exists()
    note = settings.DATA_DIR / "first-run.json"
    public_key = cluster_actions.public_key()
    write_private(settings.DATA_DIR / "install-key.pub", public_key + "\n")
    if first:
        sign_in = {"user": ADMIN, "password": secrets.token_urlsafe(12)}
        _, api_key = services_actions.make_key("first run", SCOPES, by=ACTOR)
        write_private(note, json.dumps({"url": url(), **sign_in, "api_key": api_key}, indent=2) + "\n")
        people.create_superuser(ADMIN, password=sign_in["password"])
        swaps_actions.import_catalog(catalog(), Requester(ACTOR, Trigger.COMMAND))
    if simulated:
        demo.add_simulated_sparks(demo.wait_for_sparks(simulated), ACTOR)
    ensure_slot_rows()
    return greeting(note, first)


def catalog() -> str:
    return Path(settings.BASE_DIR / "fixtures" / "models.yaml").read_text()


def ensure_slot_rows() -> None:
    for slot in Slot.objects.all():
        SwapLock.objects.get_or_create(slot=slot)
        Serving.objects.get_or_create(slot=slot)


def greeting(note: Path, first: bool) -> list[str]:
    """What the terminal shows. The password is shown once; afterwards only where it was written down."""
    lines = [f"Spark Control is at {url()}"]
    lines += [f"From other machines: http://{address}:{settings.PORT}" for address in settings.OWN_ADDRESSES]
    known = read_note(note)
    if first:
        lines.append(f"Sign in as {known['user']} with the password {known['password']}")
        lines.append(f"The password and an API key are also in {note}")
    elif known:
        lines.append(f"The sign-in and the API key of the first start are in {note}")
    if not Spark.objects.exists():
        lines.append(f"No Spark is known yet: open {url()}/settings/ to add the first one.")
    lines.append("Ctrl-C ends it.")
    return lines


def read_note(note: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(note.read_text()))
    except (OSError, ValueError):
        return {}  # a person may delete it once the password is theirs


def url() -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.BIND, settings.BIND)  # noqa: S104 - names, not a listener
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.PORT}"


def write_private(path: Path, text: str) -> None:
    """Replace `path` in one step, mode 0600 from the first byte on."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
