"""Why a vLLM start failed: one plain sentence and one remedy out of thousands of log lines.

Call it only for a load that did not complete or a vLLM that died: a failure string in a log of a
good start proves nothing. Even in a bad log most of what looks alarming is harmless, so the rules
are, in this order:

1. The first true cause in time wins, on whichever node it was printed (spark-facts 3.3).
2. A line is no cause when its own process got further afterwards, or when vLLM served later.
3. DEBUG and INFO lines are no causes. WARNING lines, and rules that only hint, count when no
   cause and no unknown exception is left.
4. An unknown exception is quoted. Only after it come vLLM's time limit and the words that merely
   report a death, such as "Engine core initialization failed".
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from swaps.logs.line import DEBUG, ERROR, INFO, WARNING, LogLine, parse_line
from swaps.logs.masking import mask_secrets
from swaps.logs.progress import STAGES, START, LoadState, Stage, observe
from swaps.logs.rule import Rank, Rule, Telling
from swaps.logs.rules import EXIT_CODES, RULES, UNEXPLAINED

_WINDOW_LINES = 40  # a traceback's message may follow its first words by this much
_INCIDENT_LINES = 150  # chained tracebacks of one failure stay within this
_EVIDENCE_CHARS = 500
_QUOTE_CHARS = 240


@dataclass(frozen=True)
class Diagnosis:
    """Why a start failed. `code` is stable; `evidence` is the masked line that proves it.

    `node` is the name given with that line, or the address Ray printed for one of its workers.
    """

    code: str
    sentence: str
    remedy: str
    evidence: str
    node: str | None


@dataclass(frozen=True)
class _Line:
    """A parsed line with its place: how far the load was before it, and the stage it reached."""

    index: int
    node: str
    parsed: LogLine
    state: LoadState
    reached: Stage | None


@dataclass(frozen=True)
class _Finding:
    rule: Rule
    line: _Line
    rank: Rank


def diagnose(lines: Iterable[tuple[str, str]], *, exit_code: int | None = None) -> Diagnosis | None:
    """The cause of a failed start, or None when nothing in the log explains it.

    `lines` are (node name, text) in time order: launcher output, head log, worker logs.
    `exit_code` is vLLM's or the container's; it speaks only when the log does not.
    """
    log = _read(lines)
    finding = _choose(_findings(log))
    killed = exit_code == 137 and finding is not None and finding.rank > Rank.EXCEPTION
    if finding is None or killed:
        return from_exit_code(exit_code)
    return _explain(finding, log)


def from_exit_code(exit_code: int | None) -> Diagnosis | None:
    """What an exit code alone tells (137 is SIGKILL); None for 0 and for no code."""
    if not exit_code:
        return None
    code, telling = EXIT_CODES.get(exit_code, EXIT_CODES[1])
    return Diagnosis(
        code=code,
        sentence=telling.sentence.format(exit_code=exit_code),
        remedy=telling.remedy,
        evidence=f"exit code {exit_code}",
        node=None,
    )


def unexplained(last_lines: Iterable[str | tuple[str, str]]) -> Diagnosis:
    """For a death in unknown words: says so and quotes the last line that says anything."""
    last: tuple[str | None, str] = (None, "")
    for entry in last_lines:
        node, text = entry if isinstance(entry, tuple) else (None, entry)
        if body := parse_line(text).body:
            last = (node, body)
    node, body = last
    quote = _quotable(body)
    telling = UNEXPLAINED[0] if quote else UNEXPLAINED[1]
    return Diagnosis(
        code="unexplained",
        sentence=telling.sentence.format(quote=quote),
        remedy=telling.remedy,
        evidence=_evidence(body),
        node=node,
    )


def _read(lines: Iterable[tuple[str, str]]) -> list[_Line]:
    states: dict[str, LoadState] = {}
    furthest = START
    log: list[_Line] = []
    for index, (node, text) in enumerate(lines):
        before = states.get(node, START)
        after = states[node] = observe(before, text)
        parsed = parse_line(text)
        reached = after.stage if after.stage is not before.stage else None
        log.append(_Line(index, node, parsed, furthest, reached))
        furthest = max(furthest, after, key=lambda state: state.percent)
    return log


def _findings(log: Sequence[_Line]) -> list[_Finding]:
    progress = [line for line in log if line.reached]
    served = max((line.index for line in log if line.reached is Stage.SERVING), default=-1)
    found = []
    for line in log:
        rule = _rule_for(line.parsed)
        if rule is None or line.index < served:
            continue
        rank = _rank(rule, line.parsed)
        if not _refuted(line, rank, progress):
            found.append(_Finding(rule, line, rank))
    return found


def _rule_for(parsed: LogLine) -> Rule | None:
    if not parsed.body or _ECHO.match(parsed.body):
        return None
    for rule in RULES:
        if _may_speak(rule, parsed.level) and rule.pattern.search(parsed.body):
            return rule
    return None


def _may_speak(rule: Rule, level: str | None) -> bool:
    if level in (DEBUG, INFO):
        return rule.any_level
    return rule.rank is not Rank.EXCEPTION or level != WARNING


def _rank(rule: Rule, parsed: LogLine) -> Rank:
    return Rank.HINT if rule.rank is Rank.CAUSE and parsed.level == WARNING else rule.rank


def _refuted(line: _Line, rank: Rank, progress: Sequence[_Line]) -> bool:
    """Whether its node went on after this line; for more than a hint, its own process must have."""
    return any(
        later.index > line.index
        and later.node == line.node
        and (rank is Rank.HINT or _same_process(line.parsed, later.parsed))
        for later in progress
    )


def _same_process(one: LogLine, other: LogLine) -> bool:
    return one.process is None or other.process is None or one.process == other.process


def _choose(found: Sequence[_Finding]) -> _Finding | None:
    for rank in Rank:
        ranked = [finding for finding in found if finding.rank is rank]
        if rank is Rank.EXCEPTION:
            ranked = _last_exception(ranked, found)
        if ranked:
            return _refined(ranked[0], found)
    return None


def _last_exception(ranked: Sequence[_Finding], found: Sequence[_Finding]) -> list[_Finding]:
    """The last exception of the process that raised the first one, before the final word of the death.

    Others are processes noticing that one of them is gone.
    While vLLM serves, an exception may be one request's own affair; only a death makes it count.
    """
    ends = [f.line.index for f in found if f.rank >= Rank.DEATH]
    told = [f for f in ranked if not f.line.state.startup_complete or _near_any(f.line.index, ends)]
    before = [f for f in told if ends and f.line.index < ends[-1]]
    first = (before or told)[:1]
    return [f for f in before if _same_origin(f.line, first[0].line)][-1:] or first


def _near_any(index: int, others: Sequence[int]) -> bool:
    return any(abs(index - other) <= _INCIDENT_LINES for other in others)


def _same_origin(one: _Line, other: _Line) -> bool:
    return one.node == other.node and one.parsed.process == other.parsed.process


def _refined(first: _Finding, found: Sequence[_Finding]) -> _Finding:
    """Within one chained traceback a later line may name the same cause more exactly."""
    for finding in found:
        near = first.line.index < finding.line.index <= first.line.index + _INCIDENT_LINES
        if near and finding.line.node == first.line.node and first.rule.code in finding.rule.refines:
            return finding
    return first


def _explain(finding: _Finding, log: Sequence[_Line]) -> Diagnosis:
    line = finding.line
    window = _window(line, log)
    known = _known_before(line, log)
    telling, values = _telling(finding.rule, window, known)
    code = finding.rule.code_when_serving if line.state.startup_complete else None
    return Diagnosis(
        code=code or finding.rule.code,
        sentence=telling.sentence.format_map(values),
        remedy=_OLD_CONTAINER_REMEDY if _met_old_vllm(finding, log) else telling.remedy.format_map(values),
        evidence=_evidence(_best_evidence(finding, log)),
        node=line.parsed.ip or line.node or None,
    )


def _met_old_vllm(finding: _Finding, log: Sequence[_Line]) -> bool:
    """Whether the launcher put this vLLM beside one that still ran (spark-facts 1.4)."""
    if finding.rule.code not in _FROM_OLD_CONTAINER:
        return False
    return any(_OLD_CONTAINER.search(line.parsed.body) for line in log[: finding.line.index])


def _window(line: _Line, log: Sequence[_Line]) -> str:
    """The line and what the same process said with it: a message may go on over several lines."""
    following = log[line.index : line.index + _WINDOW_LINES]
    same = (f.parsed.body for f in following if f is line or _continues(f, line))
    return mask_secrets("\n".join(same))


def _continues(later: _Line, line: _Line) -> bool:
    return _same_origin(later, line) and later.parsed.level in (None, ERROR)


def _telling(rule: Rule, window: str, known: dict[str, str]) -> tuple[Telling, dict[str, str]]:
    for telling in rule.tellings[:-1]:
        if telling.facts and (match := telling.facts.search(window)):
            facts = {name: _short(value) for name, value in match.groupdict("").items()}
            return telling, _derived(telling, known | facts)
    return rule.tellings[-1], _derived(rule.tellings[-1], known)


def _derived(telling: Telling, values: dict[str, str]) -> dict[str, str]:
    return values | telling.derive(values) if telling.derive else values


def _best_evidence(finding: _Finding, log: Sequence[_Line]) -> str:
    """Prefer the line with the exception's message to the source line that raises it."""
    start = finding.line.index
    for line in log[start : start + _WINDOW_LINES]:
        body = line.parsed.body
        same = _same_origin(line, finding.line) and finding.rule.pattern.search(body)
        if same and not _SOURCE_LINE.match(body):
            return body
    return finding.line.parsed.body


def _known_before(line: _Line, log: Sequence[_Line]) -> dict[str, str]:
    known = dict(_UNKNOWN)
    for earlier in log[: line.index + 1]:
        for name, pattern in _KNOWN.items():
            if match := pattern.search(earlier.parsed.body):
                known[name] = _short(mask_secrets(match[1]))
    known["the_port"] = f"port {known['port']}" if known["port"] else "its port"
    known["the_model"] = known["model"] or "the model"
    known["named"] = f" {known['model']}" if known["model"] else ""
    known["budget"] = f" (--gpu-memory-utilization {known['share']})" if known["share"] else ""
    known["stage"] = line.state.stage.value
    known["during"] = _DURING[line.state.stage]
    known["line"] = _quotable(line.parsed.body)
    return known


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _QUOTE_CHARS else text[: _QUOTE_CHARS - 1].rstrip() + "…"


def _quotable(body: str) -> str:
    return _short(mask_secrets(body).removeprefix("docker: ").removeprefix(_DAEMON)).rstrip(".")


def _evidence(body: str) -> str:
    masked = mask_secrets(body)
    return masked if len(masked) <= _EVIDENCE_CHARS else masked[: _EVIDENCE_CHARS - 1] + "…"


_OLD_CONTAINER = re.compile(r"already running\. Skipping launch")
_OLD_CONTAINER_REMEDY = (
    "Stop the slot on every Spark, then start again: an old container was still running, and vLLM"
    " was started beside the one in it."
)
_FROM_OLD_CONTAINER = {
    "port-in-use",
    "not-enough-free-memory",
    "no-kv-cache-room",
    "context-too-long",
    "out-of-memory",
    "memory-profiling-race",
}

# The launcher repeats the command before it runs it, and Python repeats the source of a traceback:
# words in them are not events.
_ECHO = re.compile(r"Executing command|Launching worker|Action: |File \"|usage: |[~^]+$")
_SOURCE_LINE = re.compile(r"raise |assert |f?[\"']|logger\.|\w+ = |return ")

_DAEMON = "Error response from daemon: "
_UNKNOWN = {"port": "", "model": "", "share": "", "max_len": "", "kv_gib": ""}
_KNOWN = {
    "port": re.compile(r"(?:--port[ =]|'port': )(\d{1,5})\b"),
    "model": re.compile(
        r"(?:\bvllm serve |'model(?:_tag)?': '|Starting to load model )([\w./@:+-]{1,200}?)(?='|\s|\.\.\.|$)"
    ),
    "share": re.compile(r"(?:--gpu-memory-utilization[ =]|'gpu_memory_utilization': )(0?\.\d{1,6}|1\.0)"),
    "max_len": re.compile(r"(?:--max-model-len[ =]|Using max model len )(\d{1,12})\b"),
    "kv_gib": re.compile(r"Available KV cache memory: (-?[\d.]{1,12}) GiB"),
}

_DURING = dict.fromkeys(STAGES, "during start-up") | {
    Stage.LOADING: "while loading the weights",
    Stage.LOADED: "while loading the weights",
    Stage.COMPILING: "while compiling and warming up",
    Stage.KV_CACHE: "while setting up the KV cache",
    Stage.GRAPHS: "while capturing CUDA graphs",
    Stage.SERVING: "while answering requests",
}
