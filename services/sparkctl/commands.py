"""What can be asked of Spark Control, the lock apart."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from services.sparkctl.calls import PATIENCE_SECONDS, Api, Misuse, Refused, patiently
from services.sparkctl.holding import look, sentence_of, token_of
from services.sparkctl.words import Args, Progress, complain, moment, say, show, span, table

FAILED = 1
AHEAD_OF_EVERYTHING = 2**31 - 1  # a position no journal reaches: the answer tells where the journal is
GIGABYTE = 1e9


def config_file() -> Path:
    return Path.home() / ".config" / "sparkctl.json"


def saved() -> dict[str, str]:
    """What login has kept; nothing when it has not been called."""
    try:
        kept = json.loads(config_file().read_text())
        return {name: str(kept[name]) for name in ("url", "key")}
    except (FileNotFoundError, RuntimeError):
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Misuse(f"{config_file()} cannot be read ({error}); make it anew with sparkctl login.") from None


def login(api: Api, args: Args) -> int:
    """The key comes from SPARKCTL_KEY or is asked for, never from an argument that others can see."""
    key = os.environ.get("SPARKCTL_KEY") or ask_for_key()
    status = Api(api.url, key).call("GET", "/api/status")
    file = config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump({"url": api.url, "key": key}, out)
    draft.replace(file)
    return show(args, {"url": api.url, "version": status["version"]}, [f"{file} has the key for {api.url} now."])


def ask_for_key() -> str:
    return (getpass.getpass("Key: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()


def version(api: Api, args: Args) -> int:
    theirs = api.call("GET", "/api/status")["version"]
    lines = [f"sparkctl {args.version}, Spark Control {theirs} at {api.url}"]
    if theirs != args.version:
        lines.append(f"To have the one that belongs to it: curl -fsSo {sys.argv[0]} {api.url}/sparkctl")
    return show(args, {"sparkctl": args.version, "server": theirs, "url": api.url}, lines)


def status(api: Api, args: Args) -> int:
    found = api.call("GET", "/api/status")
    for slot in found["slots"]:
        slot["lock"] = look(api, slot["name"])
    lines = [line for slot in found["slots"] for line in slot_lines(slot)]
    return show(args, found, [*lines, *table([spark_row(spark) for spark in found["sparks"]])])


def slot_lines(slot: dict[str, Any]) -> Iterator[str]:
    serving, swap = slot["serving"], slot["active_swap"]
    model = serving["model_label"] or ", ".join(serving["served_ids"])
    known_as = f" ({serving['model']})" if serving["model"] else ""
    since = f", since {moment(serving['since'])}" if serving["since"] else ""
    yield f"{slot['name']}: {serving['state']} {model}{known_as}{since} {serving['problem']}".rstrip()
    if swap:
        aim = swap["model_label"] or "nothing"
        yield f"  swap {swap['id']} to {aim}: {swap['status']}, {swap['percent']} %, for {swap['actor']}"
    yield f"  {sentence_of(slot['lock'])}"


def spark_row(spark: dict[str, Any]) -> list[object]:
    free, total = spark["mem_available_bytes"], spark["mem_total_bytes"]
    memory = f"{free / GIGABYTE:.0f} of {total / GIGABYTE:.0f} GB free" if free is not None and total else ""
    heat, busy = spark["gpu_temperature_c"], spark["gpu_busy_percent"]
    gauges = [f"GPU {busy:.0f} %" if busy is not None else "", f"{heat:.0f} °C" if heat is not None else "", memory]
    since = f"since {moment(spark['since'])}" if spark["state"] != "up" and spark["since"] else ""
    return [spark["name"], f"{spark['state']} {since}".strip(), *gauges, spark["problem"]]


def models(api: Api, args: Args) -> int:
    found = list(api.pages("/api/models"))
    rows = [[model["key"], model["label"], model["nodes"], ", ".join(model["served_names"])] for model in found]
    return show(args, found, table([["KEY", "NAME", "SPARKS", "SERVED AS"], *rows]))


def swap(api: Api, args: Args) -> int:
    body = {
        "model": args.model,
        "slot": args.slot,
        "rollback": True if args.rollback else None,
        "dry_run": args.dry_run,
        "deadline_seconds": args.deadline,
        "stop_foreign": args.stop_foreign,
    }
    found = api.once("/api/swap", body, token_of(args))
    return dry_run_told(args, found) if args.dry_run else accepted(api, args, found)


def dry_run_told(args: Args, found: dict[str, Any]) -> int:
    checks = [[check["state"], f"{check['sentence']} {check['remedy']}".strip()] for check in found["checks"]]
    show(args, found, [*table(checks), *found["plan"]])
    return 0 if found["ok"] else FAILED


def stop(api: Api, args: Args) -> int:
    name = args.slot or look(api, args.slot)["slot"]
    body = {"stop_foreign": args.stop_foreign}
    return accepted(api, args, api.once(f"/api/slots/{quote(name, safe='')}/stop", body, token_of(args)))


def accepted(api: Api, args: Args, found: dict[str, Any]) -> int:
    number = found["id"]
    if args.wait:
        return follow(api, args, number, quiet=args.json)
    aim = f"to {found['model_label']} on" if found["model"] else "stops"
    return show(args, found, [f"Swap {number} {aim} {found['slot']}. To watch it: sparkctl log --follow {number}"])


def follow(api: Api, args: Args, number: int, *, quiet: bool = False, log: bool = False) -> int:
    """To the end of a swap, through restarts of Spark Control."""
    progress = Progress(quiet=quiet or log)
    try:
        for _, event, data in api.stream(f"/api/swap/{number}/stream", 0):
            if event == "end":
                break
            if event == "log" and log:
                say(f"{data['node']}: {data['text']}")
            progress.hear(event, data)
    except KeyboardInterrupt:
        complain(f"Swap {number} goes on without you. To end it: sparkctl cancel {number}")
        raise
    finally:
        progress.close()
    return end_told(args, patiently(lambda: api.call("GET", f"/api/swap/{number}"), PATIENCE_SECONDS))


def end_told(args: Args, found: dict[str, Any]) -> int:
    aim = f"to {found['model_label']} on {found['slot']}" if found["model"] else f"that stops {found['slot']}"
    if found["status"] == "ready":
        return show(args, found, [f"Swap {found['id']} {aim} is done after {span(found['elapsed_seconds'])}."])
    show(args, found, [])
    why = found["diagnosis"] or {"sentence": "", "remedy": ""}
    back = f"{found['rolled_back_to']} serves again." if found["rolled_back_to"] else ""
    words = [f"Swap {found['id']} {aim}: {found['status']}.", why["sentence"], why["remedy"], back]
    complain(" ".join(word for word in words if word))
    return FAILED


def cancel(api: Api, args: Args) -> int:
    number = running_swap(api, args) if args.id is None else args.id
    found = api.once(f"/api/swap/{number}/cancel", {}, token_of(args))
    return show(args, found, [f"Swap {number} was asked to end. To see its end: sparkctl log --follow {number}"])


def running_swap(api: Api, args: Args) -> int:
    active = look(api, args.slot)["active_swap"]
    if active is None:
        raise Refused(404, "No swap runs; there is nothing to cancel.")
    return int(active["id"])


def log(api: Api, args: Args) -> int:
    number = newest_swap(api, args) if args.id is None else args.id
    if args.follow:
        return follow(api, args, number, quiet=True, log=not args.json)
    lines = list(log_lines(api, number))
    return show(args, {"swap": number, "lines": lines}, lines)


def newest_swap(api: Api, args: Args) -> int:
    wanted = {"limit": 1, **({"slot": args.slot} if args.slot else {})}
    found = api.call("GET", f"/api/swap?{urlencode(wanted)}")["results"]
    if not found:
        raise Refused(404, "There has been no swap yet; sparkctl swap MODEL begins one.")
    return int(found[0]["id"])


def log_lines(api: Api, number: int) -> Iterator[str]:
    after = "0"
    while True:
        text, headers = api.read(api.open("GET", f"/api/swap/{number}/log?after={after}"))
        if not text:
            return
        yield from text.splitlines()
        after = headers["Last-Seq"]


def events(api: Api, args: Args) -> int:
    """The newest of the last 24 h, or with --follow what happens from now on. In JSON one document a line."""
    wanted = {name: value for name, value in (("type", args.type), ("slot", args.slot)) if value}
    found = api.stream(f"/api/events?{urlencode(wanted)}") if args.follow else newest_events(api, args)
    for position, event, data in found:
        words = data["reason"] if event == "reset" else data["sentence"]
        row = [moment(data.get("at")), event, data.get("slot") or "-", words]
        say(json.dumps({"id": position, **data}) if args.json else "  ".join(row))
    return 0


def newest_events(api: Api, args: Args) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """The stream has no end to read up to, but it tells how far the journal goes."""
    newest, _, _ = next(api.stream("/api/events", AHEAD_OF_EVERYTHING))
    many = args.last if newest else 0
    while many > 0:
        for position, event, data in api.stream("/api/events", max(0, newest - many)):
            if event == "reset":  # some of them are too old
                many //= 2
                break
            if is_wanted(args, event, data):
                yield position, event, data
            if position >= newest:
                return


def is_wanted(args: Args, event: str, data: dict[str, Any]) -> bool:
    """As the server chooses for those who follow."""
    types = [word.strip() for word in (args.type or "").split(",") if word.strip()]
    fits = any(event.startswith(word[:-1]) if word.endswith(".*") else event == word for word in types)
    return (fits or not types) and args.slot in (None, data["slot"])


def plan(api: Api, args: Args) -> int:
    wanted = {"hours": args.hours, **({"slot": args.slot} if args.slot else {})}
    found = api.call("GET", f"/api/plan?{urlencode(wanted)}")
    rows = [plan_row(entry) for entry in found["entries"]]
    lines = table(rows) if rows else [f"Nothing is planned until {moment(found['until'])}."]
    conflicts = [f"{each['code']}: {each['sentence']}" for entry in found["entries"] for each in entry["conflicts"]]
    cut = [f"More often than is shown: {title}" for title in found["truncated"]]
    return show(args, found, [*lines, *dict.fromkeys(conflicts), *cut])


def plan_row(entry: dict[str, Any]) -> list[object]:
    mark = "!" if entry["conflicts"] else " "
    when = f"{mark} {moment(entry['starts_at'])} to {moment(entry['ends_at'])}"
    owner = f"{entry['owner']} (stale)" if entry["stale"] else entry["owner"]
    return [when, entry["slot"] or "-", entry["kind"], entry["title"], entry["model"], owner]


def schedules(api: Api, args: Args) -> int:
    wanted = {"slot": args.slot} if args.slot else {}
    found = list(api.pages("/api/schedules", **wanted))
    rows = [schedule_row(each) for each in found]
    return show(args, found, table([["TITLE", "NEXT", "SLOT", "KIND", "MODEL", "RULE", "OWNER"], *rows]))


def schedule_row(each: dict[str, Any]) -> list[object]:
    following = moment(each["next_fires"][0]) if each["next_fires"] else "off" if not each["enabled"] else "never"
    owner = f"{each['owner'] or 'Spark Control'}{' (stale)' if each['stale'] else ''}"
    return [each["title"], following, each["slot"] or "-", each["kind"], each["model"], each["words"], owner]
