"""What a web process and a worker do before anything else: refuse to run on a mistake, and say what is doubtful."""

import logging

from django.core.checks import CheckMessage, run_checks

from sparkcontrol import checks

log = logging.getLogger(__name__)


def refuse_mistakes() -> None:
    """Ends the program with a sentence and its remedy for each mistake in the configuration."""
    told = run_checks(tags=[checks.TAG])
    mistakes = [_words(message) for message in told if message.is_serious()]
    for message in told:
        if not message.is_serious():
            log.warning(_words(message))
    if mistakes:
        raise SystemExit("\n".join(mistakes))


def _words(message: CheckMessage) -> str:
    return f"{message.msg} {message.hint} ({message.id})"
