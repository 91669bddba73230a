"""The prefix cache: which beginnings of prompts have been read before, in whole blocks as vLLM counts them."""

from __future__ import annotations

import hashlib

BLOCK_TOKENS = 16
TOKEN_CHARACTERS = 4
MOST_BLOCKS = 65_536  # about a million tokens; the oldest are forgotten first


def tokens_of(text: str) -> int:
    return len(text) // TOKEN_CHARACTERS + 1


class Prefixes:
    """On since vLLM's V1 engine unless --no-enable-prefix-caching."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self._blocks: dict[bytes, None] = {}

    def read(self, prompt: str) -> int:
        """How many tokens of `prompt` come from the cache; all of it is there from now on.

        The last token is always computed, so a prompt is never wholly from the cache.
        """
        if not self.enabled:
            return 0
        known = 0
        in_a_row = True
        for number, block in enumerate(_blocks_of(prompt), start=1):
            in_a_row = in_a_row and block in self._blocks
            known = number if in_a_row else known
            self._blocks.pop(block, None)
            self._blocks[block] = None
        while len(self._blocks) > MOST_BLOCKS:
            del self._blocks[next(iter(self._blocks))]
        return min(known, (tokens_of(prompt) - 1) // BLOCK_TOKENS) * BLOCK_TOKENS


def _blocks_of(prompt: str) -> list[bytes]:
    """A block is known by everything before it, too."""
    size = BLOCK_TOKENS * TOKEN_CHARACTERS
    chain = hashlib.sha256()
    blocks = []
    for start in range(0, len(prompt) - size + 1, size):
        chain.update(prompt[start : start + size].encode())
        blocks.append(chain.copy().digest())
    return blocks
