"""Exit status 0 when this machine's (or container's) part is well. Standard library only: it runs every half minute.

python -m sparkcontrol.healthcheck           the web process answers
python -m sparkcontrol.healthcheck worker    a worker has looked around lately, so its database answers, too
"""

import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from sparkcontrol import env, folders

ANSWER_SECONDS = 4
SILENT_SECONDS = 30.0


def main(argv: list[str]) -> int:
    trouble = worker_trouble() if argv == ["worker"] else web_trouble()
    if trouble:
        sys.stderr.write(f"{trouble}\n")
    return 1 if trouble else 0


def web_trouble() -> str:
    address = f"http://127.0.0.1:{env.integer('PORT', 9999)}/healthz"
    request = urllib.request.Request(address, headers={"Host": "localhost"})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
            return "" if answer.status == 200 else f"{address} answers {answer.status}."
    except (urllib.error.URLError, OSError) as error:
        return f"{address} does not answer: {error}."


def worker_trouble() -> str:
    mark = folders.worker_mark(Path(env.text("SPARKCONTROL_DATA_DIR", "var")))
    try:
        silent = time.time() - mark.stat().st_mtime
    except OSError as error:
        return f"No worker has looked around here: {error}."
    return f"The worker has not looked around for {silent:.0f} s." if silent > SILENT_SECONDS else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
