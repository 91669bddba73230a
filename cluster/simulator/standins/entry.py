"""Runs one stand-in: entry.py MODULE NAME ARGS... under `python -IS`."""

import os
import sys

sys.modules["ssl"] = None  # type: ignore[assignment]  # nothing here speaks TLS, and asyncio is 4 MB less without
sys.path.insert(0, os.path.abspath(__file__ + "/../../../.."))

if __name__ == "__main__":
    name = sys.argv[1]
    del sys.argv[1]
    module = __import__("cluster.simulator.standins." + name, fromlist=["main"])
    try:
        code = module.main(sys.argv[1], sys.argv[2:])
        sys.stdout.flush()
    except BrokenPipeError:
        code = 141
    except KeyboardInterrupt:
        code = 130
    os._exit(code)
