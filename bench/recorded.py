"""Simulated Sparks that answer from a recording.

A simulated Spark works out each answer on this machine's processors, and 64 of them at once would measure that. A real
one has processors of its own: what we see of its work is a wait. So the programs that a probe runs are asked once, and
from then on they wait and repeat themselves.
"""

from pathlib import Path

RECORDED = ("cat", "df", "docker", "nvidia-smi")
SLOW = "nvidia-smi"  # the one that takes its time on a real Spark
WAIT_SECONDS = 0.2  # each time it is asked, which is twice in a probe

# The question is a path: its slashes become folders.
PLAYER = """#!/bin/sh
[ $# -gt 0 ] || exec {original}
kept="$SPARKSIM_DIR/recorded/{name}/$*"
if [ -e "$kept/answer" ]; then
  {pause}
  exec /bin/cat "$kept/answer"
fi
/bin/mkdir -p "$kept"
{original} "$@" > "$kept/heard.$$" && /bin/mv "$kept/heard.$$" "$kept/answer" && exec /bin/cat "$kept/answer"
"""


def record(spark: Path) -> None:
    """From now on the Spark in this folder answers each question as it answered it first."""
    for name in RECORDED:
        program = spark / "bin" / name
        original = program.rename(spark / "bin" / f"{name}.asked")
        pause = 'read -r wait < "$SPARKSIM_DIR/wait"; /bin/sleep "$wait"' if name == SLOW else ":"
        program.write_text(PLAYER.format(name=name, original=original, pause=pause))
        program.chmod(0o755)
    wait(spark, WAIT_SECONDS)


def wait(spark: Path, seconds: float) -> None:
    """How long it takes its time from now on."""
    (spark / "wait").write_text(f"{seconds}\n")
