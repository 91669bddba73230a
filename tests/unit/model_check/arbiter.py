"""The lock, the swap, its driver, and the Spark's fence as a small machine that can be searched whole. Pure.

Two schedulers want the slot. Each may take the lock, lose it to time, and ask for a swap with the token it has. A swap
is driven by workers that may die at any point; what they sent to the Spark may arrive late, after others have gone on.
`Rules` switches single rules off, and the search must then find why they are there.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

SCHEDULERS = ("A", "B")
MAX_GRANTS, MAX_SWAPS, MAX_CLAIMS = 2, 2, 3  # claims of both swaps together


@dataclass(frozen=True)
class Rules:
    enforced: bool = True  # a swap asks for the token in the statement that accepts it
    pinned: bool = True  # while a swap runs nobody gets the lock
    node_fence: bool = True  # the Spark refuses a fence below its own
    sealed: bool = True  # a new driver raises the Spark's fence before it does or ends anything
    outbox: bool = True  # the end of a swap and its event are one transaction
    outdated: bool = True  # a driver that gives up takes a higher fence first, which outdates what it sent
    fence_grows: bool = True  # a grant raises the fence; it is never reset
    no_revival: bool = True  # a hold whose time is over cannot be renewed


@dataclass(frozen=True)
class Swap:
    """`owner` asked for it under the grant `grant`; `claim` is the fence of its driver, 0 before the first."""

    owner: str
    grant: int
    status: str = "queued"  # queued, running, done, failed
    claim: int = 0
    driver_alive: bool = False
    sealed: bool = False  # this driver has raised the Spark's fence
    sent: bool = False
    gives_up: bool = False
    told: bool = False


@dataclass(frozen=True)
class State:
    fence: int = 0
    claims: int = 0
    holder: str = ""
    grant: int = 0
    lapsed: bool = False  # its time is over
    believes: tuple[int, ...] = (0, 0)  # the grant each scheduler thinks it has
    grants: tuple[tuple[str, int], ...] = ()
    swaps: tuple[Swap, ...] = ()
    node_fence: int = 0
    on_the_way: frozenset[tuple[int, int]] = frozenset()  # (swap, fence) of launches that have not arrived
    ran: frozenset[int] = frozenset()  # swaps of which a launch ran
    ran_fence: int = 0  # the highest fence of a launch that ran
    wrong: str = ""


Step = tuple[str, State]


@dataclass
class Verdict:
    states: int
    wrong: str = ""
    trace: list[str] = field(default_factory=list)


def search(rules: Rules) -> Verdict:
    """Every reachable state, breadth first: the first thing found wrong comes with the shortest way to it."""
    start = State()
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        for name, after in steps(state, rules):
            if after in came_from:
                continue
            came_from[after] = (state, name)
            if after.wrong:
                return Verdict(len(came_from), after.wrong, _trace(after, came_from))
            waiting.append(after)
    return Verdict(len(came_from))


def _trace(state: State, came_from: dict[State, tuple[State, str] | None]) -> list[str]:
    names: list[str] = []
    while (step := came_from[state]) is not None:
        state, name = step
        names.append(name)
    return names[::-1]


def steps(state: State, rules: Rules) -> Iterator[Step]:
    yield from _lock_steps(state, rules)
    yield from _swap_steps(state, rules)
    yield from _network_steps(state, rules)


def running(state: State) -> int | None:
    """The swap that is not over."""
    return next((i for i, swap in enumerate(state.swaps) if swap.status in ("queued", "running")), None)


def _lock_steps(state: State, rules: Rules) -> Iterator[Step]:
    pin = running(state) is not None and rules.pinned
    for number, name in enumerate(SCHEDULERS):
        free = not state.holder or state.lapsed
        if free and not pin and len(state.grants) < MAX_GRANTS:
            yield f"{name} acquires", _granted(state, number, name, rules)
        if state.believes[number] and state.believes[number] == state.grant and state.holder == name:
            if state.lapsed and not rules.no_revival:
                yield f"{name} renews late", _revived(state)
            if not state.lapsed:
                yield f"{name} releases", replace(state, holder="", grant=0)
    if state.holder and not state.lapsed and not pin:
        yield "its time runs out", replace(state, lapsed=True)
    if state.holder and state.lapsed and not pin:
        # The tick writes down what is so; the one who held it does not learn of it.
        yield "the expiry is told", replace(state, holder="", grant=0, lapsed=False)


def _granted(state: State, number: int, name: str, rules: Rules) -> State:
    fence = state.fence + 1 if rules.fence_grows else 1
    believes = tuple(fence if i == number else known for i, known in enumerate(state.believes))
    wrong = ""
    if any(fence <= earlier for _, earlier in state.grants):
        wrong = "a fence was granted that is not higher than an earlier one"
    if running(state) is not None:
        wrong = "the lock was granted while a swap was running"
    return replace(
        state,
        fence=fence,
        holder=name,
        grant=fence,
        lapsed=False,
        believes=believes,
        grants=(*state.grants, (name, fence)),
        wrong=wrong,
    )


def _revived(state: State) -> State:
    return replace(state, lapsed=False, wrong="a hold was renewed after its time was over")


def _swap_steps(state: State, rules: Rules) -> Iterator[Step]:
    for number, name in enumerate(SCHEDULERS):
        if running(state) is None and len(state.swaps) < MAX_SWAPS:
            yield from _ask(state, number, name, rules)
    current = running(state)
    if current is None:
        yield from _untold(state)
        return
    swap = state.swaps[current]
    if not swap.driver_alive and state.claims < MAX_CLAIMS:
        claimed = replace(
            swap,
            status="running",
            claim=state.fence + 1,
            driver_alive=True,
            sealed=not rules.sealed,
            sent=False,
            gives_up=False,
        )
        yield (
            "a worker claims it",
            _with(replace(state, fence=state.fence + 1, claims=state.claims + 1), current, claimed),
        )
    if swap.driver_alive:
        yield from _driver(state, current, swap, rules)
    yield from _untold(state)


def _ask(state: State, number: int, name: str, rules: Rules) -> Iterator[Step]:
    believed = state.believes[number]
    valid = state.holder == name and believed == state.grant and not state.lapsed
    free = not state.holder or state.lapsed
    allowed = valid or (free and not believed) or not rules.enforced
    if not allowed:
        return
    wrong = ""
    if state.holder and not state.lapsed and not valid:
        wrong = "a swap was accepted past somebody else's lock"
    elif believed and not valid:
        wrong = "a swap was accepted with a token that was good no more"
    swap = Swap(name, believed if valid else 0)
    yield f"{name} swaps", replace(state, swaps=(*state.swaps, swap), wrong=wrong)


def _driver(state: State, current: int, swap: Swap, rules: Rules) -> Iterator[Step]:
    yield "the worker dies", _with(state, current, replace(swap, driver_alive=False))
    if not swap.sealed:
        sealed = _with(state, current, replace(swap, sealed=True))
        yield "it raises the Spark's fence", replace(sealed, node_fence=max(state.node_fence, swap.claim))
        return
    if swap.gives_up:
        yield "it ends it as failed", _ended(state, current, "failed", rules)
        return
    if not swap.sent:
        sent = _with(state, current, replace(swap, sent=True))
        yield "it sends the launch", replace(sent, on_the_way=state.on_the_way | {(current, swap.claim)})
    if current in state.ran:
        yield "it sees it run and ends it", _ended(state, current, "done", rules)
    if rules.outdated:
        gone = replace(swap, gives_up=True, claim=state.fence + 1, sealed=False)
        yield "it gives up and takes a higher fence", _with(replace(state, fence=state.fence + 1), current, gone)
    else:
        yield "it gives up and ends it as failed", _ended(state, current, "failed", rules)


def _ended(state: State, current: int, status: str, rules: Rules) -> State:
    before = state.swaps[current]
    swap = Swap(before.owner, 0, status, sealed=before.sealed, told=rules.outbox)  # what else it was matters no more
    ended = _with(state, current, swap)
    return replace(ended, lapsed=False) if state.holder else ended  # the minute after its end


def _untold(state: State) -> Iterator[Step]:
    """Without an outbox somebody must still send the event, and may die first."""
    for index, swap in enumerate(state.swaps):
        if swap.status in ("done", "failed") and not swap.told:
            yield "it tells", _with(state, index, replace(swap, told=True))
            dead = _with(state, index, replace(swap, told=True))
            yield "it dies before it tells", replace(dead, wrong="the end of a swap was never told")


def _network_steps(state: State, rules: Rules) -> Iterator[Step]:
    for index, fence in sorted(state.on_the_way):
        arrived = replace(state, on_the_way=state.on_the_way - {(index, fence)})
        if rules.node_fence and fence < state.node_fence:
            yield f"a launch of swap {index} arrives and is refused", arrived
            continue
        raised = max(state.node_fence, fence) if rules.node_fence else state.node_fence
        ran = replace(arrived, node_fence=raised, ran=state.ran | {index}, ran_fence=max(state.ran_fence, fence))
        yield f"a launch of swap {index} arrives and runs", replace(ran, wrong=_wrong_run(state, index, fence))


def _wrong_run(state: State, index: int, fence: int) -> str:
    """Until a newer swap has raised the Spark's fence it has not touched the Spark, so nothing is disturbed."""
    if any(later.sealed for later in state.swaps[index + 1 :]):
        return "a launch of an old swap ran after a newer one had begun"
    if fence < state.ran_fence:
        return "an old launch ran after a newer one"
    if state.swaps[index].status == "failed":
        return "a launch ran after its swap was told to have failed"
    return ""


def _with(state: State, index: int, swap: Swap) -> State:
    return replace(state, swaps=(*state.swaps[:index], swap, *state.swaps[index + 1 :]))
