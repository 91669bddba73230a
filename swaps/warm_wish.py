"""What a warm-up is asked to do. Pure."""

from dataclasses import dataclass

FIRST_TOKEN, PREFIX = "first_token", "prefix"
KINDS = (FIRST_TOKEN, PREFIX)
MOST_CHARACTERS = 400_000  # of system and prompt together; about 100,000 tokens, and well below the API's 1 MiB
DEFAULT_PROMPT = "Say OK."


@dataclass(frozen=True, slots=True)
class WarmWish:
    """`first_token`: a small prompt, which makes vLLM compile and allocate what it does lazily. `prefix`: the text that
    many later requests begin with, so that vLLM's prefix cache has it."""

    kind: str = FIRST_TOKEN
    prompt: str = ""
    system: str = ""

    def problems(self) -> list[dict[str, str]]:
        """{field, message} of everything that is wrong."""
        found = []
        if self.kind not in KINDS:
            found.append({"field": "kind", "message": f"Write one of {', '.join(KINDS)}."})
        if self.kind == PREFIX and not (self.prompt.strip() or self.system.strip()):
            message = "Give the text that later requests begin with, as system, as prompt, or both."
            found.append({"field": "prompt", "message": message})
        if len(self.prompt) + len(self.system) > MOST_CHARACTERS:
            message = f"system and prompt have together at most {MOST_CHARACTERS} characters."
            found.append({"field": "prompt", "message": message})
        return found

    def messages(self) -> list[dict[str, str]]:
        """As the chat API takes them."""
        user = {"role": "user", "content": self.prompt or DEFAULT_PROMPT}
        return [{"role": "system", "content": self.system}, user] if self.system else [user]

    def text(self) -> str:
        """For models without a chat template."""
        return "\n\n".join(part for part in (self.system, self.prompt) if part) or DEFAULT_PROMPT

    def without_words(self) -> "WarmWish":
        """What stays in the history: prompts may be private."""
        return WarmWish(self.kind)
