"""What a log line is about: the request, swap or slot at hand. Set by whoever begins the work, read by the log."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

NOTHING: Mapping[str, str] = MappingProxyType({})
_about: ContextVar[Mapping[str, str]] = ContextVar("about", default=NOTHING)


@contextmanager
def about(**words: object) -> Iterator[None]:
    """Every line logged inside, in this thread or task, carries these, such as swap=12, slot="main"."""
    token = _about.set({**_about.get(), **{name: str(word) for name, word in words.items()}})
    try:
        yield
    finally:
        _about.reset(token)


def words() -> Mapping[str, str]:
    return _about.get()
