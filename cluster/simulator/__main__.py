"""python -m cluster.simulator serve ROOT | fault ROOT SPARK FAULT on|off [VALUE] | faults ROOT"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cluster.simulator import client, guard


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    return int(arguments.run(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cluster.simulator", description="Simulated DGX Sparks.")
    commands = parser.add_subparsers(required=True)
    serve = commands.add_parser("serve", help="stand the Sparks up and print one JSON line when they are ready")
    serve.add_argument("root", type=Path)
    serve.add_argument("--sparks", type=int, default=2)
    serve.add_argument("--first-address", default="127.0.0.11")
    serve.add_argument("--ssh-port", type=int, default=2222)
    serve.add_argument("--authorized-key", type=Path, action="append", default=[], help="a public key file")
    serve.add_argument("--user", default="spark")
    serve.set_defaults(run=_serve)
    fault = commands.add_parser("fault", help="switch a fault on or off")
    fault.add_argument("root", type=Path)
    fault.add_argument("spark")
    fault.add_argument("fault")
    fault.add_argument("switch", choices=["on", "off"])
    fault.add_argument("value", nargs=argparse.REMAINDER, help="may start with a dash")
    fault.set_defaults(run=lambda a: client.switch(a.root, a.spark, a.fault, a.switch == "on", " ".join(a.value)))
    faults = commands.add_parser("faults", help="list the faults and which are on")
    faults.add_argument("root", type=Path)
    faults.set_defaults(run=lambda a: client.show(a.root))
    return parser


def _serve(arguments: argparse.Namespace) -> int:
    arguments.root.mkdir(parents=True, exist_ok=True)
    settings = {
        "root": str(arguments.root.resolve()),
        "sparks": arguments.sparks,
        "first_address": arguments.first_address,
        "ssh_port": arguments.ssh_port,
        "authorized_keys": [str(path.resolve()) for path in arguments.authorized_key],
        "user": arguments.user,
    }
    return guard.run(json.dumps(settings))


if __name__ == "__main__":
    sys.exit(main())
