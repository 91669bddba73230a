"""A Hugging Face cache on disk; the weights are sparse files of a believable size."""

from __future__ import annotations

import hashlib
import json
import os
import shutil

from cluster.simulator.standins.vllm_model import SHARD_GIB, weights_gib


def hub() -> str:
    """HF_HUB_CACHE, else under HF_HOME, else the default place."""
    home = os.environ.get("HF_HOME") or os.path.join(os.environ["HOME"], ".cache", "huggingface")
    return os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub")


def write_snapshot(root: str, repo: str) -> str:
    """A complete snapshot of `repo`; its folder."""
    base = os.path.join(root, "models--" + repo.replace("/", "--"))
    commit = hashlib.sha1(repo.encode(), usedforsecurity=False).hexdigest()
    snapshot = os.path.join(base, "snapshots", commit)
    for folder in (os.path.join(base, "blobs"), os.path.join(base, "refs"), snapshot):
        os.makedirs(folder, exist_ok=True)
    total = int(weights_gib(repo, "") * 2**30)
    shards = max(1, min(48, round(total / (SHARD_GIB * 2**30))))
    names = [f"model-{i + 1:05d}-of-{shards:05d}.safetensors" for i in range(shards)]
    index = {"metadata": {"total_size": total // shards * shards},
             "weight_map": {f"model.layers.{i}.weight": name for i, name in enumerate(names)}}  # fmt: skip
    config = {"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 48, "num_key_value_heads": 8, "head_dim": 128}
    _add(base, snapshot, "config.json", json.dumps(config), 0)
    _add(base, snapshot, "tokenizer.json", "{}", 0)
    _add(base, snapshot, "tokenizer_config.json", "{}", 0)
    _add(base, snapshot, "model.safetensors.index.json", json.dumps(index), 0)
    for name in names:
        _add(base, snapshot, name, "", total // shards)
    with open(os.path.join(base, "refs", "main"), "w", encoding="ascii") as file:
        file.write(commit)
    return snapshot


def _add(base: str, snapshot: str, name: str, text: str, size: int) -> None:
    blob = hashlib.sha256(f"{base}/{name}".encode()).hexdigest()
    with open(os.path.join(base, "blobs", blob), "w", encoding="utf-8") as file:
        file.write(text)
        if size:
            file.truncate(size)
    link = os.path.join(snapshot, name)
    if not os.path.lexists(link):
        os.symlink(f"../../blobs/{blob}", link)


def entries() -> list[tuple[str, int]]:
    """(repo, bytes) of every model in the cache."""
    found = []
    for name in sorted(os.listdir(hub())) if os.path.isdir(hub()) else []:
        blobs = os.path.join(hub(), name, "blobs")
        if name.startswith("models--") and os.path.isdir(blobs):
            size = sum(os.stat(os.path.join(blobs, blob)).st_size for blob in os.listdir(blobs))
            found.append((name.removeprefix("models--").replace("--", "/"), size))
    return found


def remove(repo: str) -> int:
    """How many models were removed: 1, or 0 when it is not there."""
    folder = os.path.join(hub(), "models--" + repo.replace("/", "--"))
    if not os.path.isdir(folder):
        return 0
    shutil.rmtree(folder)
    return 1
