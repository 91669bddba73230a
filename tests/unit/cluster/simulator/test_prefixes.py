"""The simulated prefix cache counts as vLLM's: whole blocks of 16 tokens, and never the last token."""

from cluster.simulator.standins.vllm_prefixes import Prefixes, tokens_of

LONG = "The clerk of the library knows every book. " * 30


def test_the_same_prompt_comes_from_the_cache_but_for_its_last_block() -> None:
    cache = Prefixes(enabled=True)
    assert cache.read(LONG) == 0
    cached = cache.read(LONG)
    assert cached % 16 == 0 and tokens_of(LONG) - 17 <= cached < tokens_of(LONG)


def test_only_the_common_beginning_counts() -> None:
    cache = Prefixes(enabled=True)
    cache.read(LONG + "One question.")
    assert 0 < cache.read(LONG + "Another question, longer than one block of sixteen tokens is.") <= tokens_of(LONG)
    assert cache.read("Once more: " + LONG) == 0


def test_a_prompt_of_whole_blocks_is_never_wholly_cached() -> None:
    cache = Prefixes(enabled=True)
    prompt = "x" * 64 * 3
    cache.read(prompt)
    assert cache.read(prompt) == 48
    assert cache.read("x" * 60) == 0


def test_it_can_be_switched_off() -> None:
    cache = Prefixes(enabled=False)
    assert [cache.read(LONG), cache.read(LONG)] == [0, 0]
