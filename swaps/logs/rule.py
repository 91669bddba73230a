"""The shape of a diagnosis rule: words to search, and how to tell what they mean."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum


class Rank(IntEnum):
    """How much a line explains. Lower explains more; ranks are tried in this order."""

    CAUSE = 0
    EXCEPTION = 1  # an exception no rule knows: quoted as it stands
    HINT = 2
    TIMEOUT = 3
    DEATH = 4  # which process ended, not why
    CONSEQUENCE = 5


Derive = Callable[[Mapping[str, str]], dict[str, str]]


@dataclass(frozen=True)
class Telling:
    """A sentence and a remedy; `facts` must match for the numbers they quote to be there."""

    sentence: str
    remedy: str
    facts: re.Pattern[str] | None = None
    derive: Derive | None = None


@dataclass(frozen=True)
class Rule:
    """Words that stand for one failure. The last of `tellings` needs no facts.

    `refines` names codes that this rule tells more exactly when it follows in the same traceback.
    `any_level` lets it match INFO lines too. Besides the facts, tellings may use the_model,
    named, the_port, budget, during, line and the plain values known from earlier lines.
    """

    code: str
    pattern: re.Pattern[str]
    tellings: tuple[Telling, ...]
    rank: Rank = Rank.CAUSE
    refines: frozenset[str] = frozenset()
    any_level: bool = False
    code_when_serving: str | None = None


def rule(
    code: str,
    pattern: str,
    *tellings: Telling,
    rank: Rank = Rank.CAUSE,
    refines: tuple[str, ...] = (),
    any_level: bool = False,
    code_when_serving: str | None = None,
) -> Rule:
    """A Rule from a pattern in words; letter case is ignored, because wording drifts."""
    return Rule(
        code=code,
        pattern=re.compile(pattern, re.IGNORECASE),
        tellings=tellings,
        rank=rank,
        refines=frozenset(refines),
        any_level=any_level,
        code_when_serving=code_when_serving,
    )


def tell(sentence: str, remedy: str, facts: str | None = None, derive: Derive | None = None) -> Telling:
    """A Telling whose facts are given as a pattern in words; ^ and $ mean a line's ends."""
    compiled = re.compile(facts, re.IGNORECASE | re.MULTILINE) if facts else None
    return Telling(sentence=sentence, remedy=remedy, facts=compiled, derive=derive)
