"""What an owner has put on their Sparks before they meet Spark Control: its key, weights, and the launcher's mods."""

import hashlib
from pathlib import Path

from swaps.models import ModelDefinition

MOD = "#!/bin/sh\necho 'A mod of the demo: nothing to patch here.'\n"


def let_in(home: Path, public_key: str) -> None:
    """Put the key where a person would put it; sshd reads the file at each sign-in."""
    keys = home / ".ssh" / "authorized_keys"
    known = keys.read_text() if keys.exists() else ""
    if public_key not in known:
        keys.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        keys.write_text(f"{known}{public_key}\n")
        keys.chmod(0o600)


def furnish(home: Path, launcher_dir: Path) -> None:
    """Weights in the Hugging Face cache's layout, tiny, and a mod for each that the catalog names."""
    for definition in ModelDefinition.objects.all():
        if definition.repo:
            add_weights(home / ".cache" / "huggingface" / "hub", definition.repo)
        for mod in definition.mods:
            add_mod(launcher_dir / mod)


def add_weights(hub: Path, repo: str) -> None:
    folder = hub / f"models--{repo.replace('/', '--')}"
    commit = hashlib.sha1(repo.encode(), usedforsecurity=False).hexdigest()
    snapshot = folder / "snapshots" / commit
    snapshot.mkdir(parents=True, exist_ok=True)
    (snapshot / "config.json").write_text("{}\n")
    (snapshot / "model.safetensors").write_text("the demo has no real weights\n")
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text(commit)


def add_mod(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "run.sh"
    script.write_text(MOD)
    script.chmod(0o755)
