"""`hf download` and `hf cache ls`: a cache with the layout of the real one and files that are holes."""

from __future__ import annotations

import json
import re
import sys

from cluster.simulator.standins import hf_cache, spark


def main(_name: str, argv: list[str]) -> int:
    words = [word for word in argv if not word.startswith("-")]
    if argv[:1] in (["version"], ["--version"]):
        print("huggingface_hub version: 2.4.0")
        return 0
    if words[:1] == ["download"] and len(words) > 1:
        return _download(words[1])
    if words[:2] == ["cache", "ls"]:
        return _list("json" in " ".join(argv))
    if words[:2] == ["cache", "rm"] and len(words) > 2:
        return _remove(words[2])
    sys.stderr.write("usage: hf <command> [<args>]\n")
    return 2


def _download(repo: str) -> int:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        sys.stderr.write(f"Error: Invalid repository id {repo!r}.\n")
        return 1
    if spark.faults().value("gated-repo") is not None:
        sys.stderr.write(f"Error: Access denied. This repository requires approval.\n401 Client Error. Cannot access "
                         f"gated repo for url https://huggingface.co/{repo}/resolve/main/config.json.\n")  # fmt: skip
        return 1
    if spark.faults().value("disk-full") is not None:
        sys.stderr.write("OSError: [Errno 28] No space left on device\n")
        return 1
    print(hf_cache.write_snapshot(hf_cache.hub(), repo))
    return 0


def _list(as_json: bool) -> int:
    entries = [{"id": f"model/{repo}", "size": size, "revisions": ["main"]} for repo, size in hf_cache.entries()]
    if as_json:
        print(json.dumps(entries))
    else:
        print("ID SIZE REFS")
        for entry in entries:
            print(entry["id"], f"{round(int(str(entry['size'])) / 1e9, 1)}G", "main")
    return 0


def _remove(name: str) -> int:
    removed = hf_cache.remove(name.removeprefix("model/"))
    print(f"Deleted {removed} repo(s) and 0 revision(s).")
    return 0 if removed else 1
