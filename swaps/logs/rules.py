"""The table of failures, in the order in which they are tried on a line.

Facts from spark-facts sections 1.5 and 3.3; sentences for an owner who is no vLLM expert.
"""

from swaps.logs.launch_rules import LAUNCH_RULES, OTHER_LAUNCH_RULES
from swaps.logs.memory_rules import MEMORY_RULES
from swaps.logs.model_rules import MODEL_RULES
from swaps.logs.network_rules import NETWORK_RULES
from swaps.logs.rule import Rank, Rule, Telling, rule, tell

_LOOK = "Read the log around the quoted line; a newer image or other vLLM arguments may help."

_ENDS: tuple[Rule, ...] = (
    rule(
        "gpu-fault",
        r"CUDA error: (?:an illegal|misaligned|unspecified launch|device-side assert|the launch"
        r"|an unsupported|invalid)|illegal memory access|\bXid\b.{0,40}\d",
        tell(
            "The GPU reported a fault {during} ({line}).",
            "Start again; if it comes back, try --enforce-eager or a newer image, and reboot the Spark.",
        ),
    ),
    rule(
        "bad-argument-value",
        r"^Value error, ",
        tell(
            "vLLM does not accept the model's arguments: {reason}.",
            "Correct the model's vLLM arguments accordingly.",
            facts=r"Value error, (?P<reason>.{1,400}?)\.?(?: \[type=| For further|$)",
        ),
        tell(
            "vLLM does not accept the model's arguments ({line}).",
            "Correct the model's vLLM arguments accordingly.",
        ),
    ),
    rule(
        "engine-failed",
        r"Engine core initialization failed.*Failed core proc\(s\): \{\}",
        tell(
            "vLLM's engine ended {during} without a word, which before vLLM 0.24 points to memory"
            " running out while the weights load.",
            "Reboot the Spark if its memory does not come back, then use vLLM 0.24 or newer, or a"
            " lower --gpu-memory-utilization.",
        ),
        rank=Rank.DEATH,
        code_when_serving="crashed-after-start",
    ),
    rule(
        "worker-died",
        r"(?:Worker|Engine) ?(?:core )?proc\w* .{0,80}died unexpectedly|died unexpectedly"
        r"|RayActorError|ActorDiedError|actor died",
        tell(
            "One of vLLM's processes ended {during} without saying why; memory running out is the usual reason.",
            "Look at the log of the other Spark too; lower --gpu-memory-utilization and start again.",
        ),
        rank=Rank.DEATH,
        code_when_serving="crashed-after-start",
    ),
    rule(
        "engine-failed",
        r"EngineDeadError|EngineCore encountered an (?:issue|error)|RPC call to \w+ timed out"
        r"|\[shutdown\] .*engine.*died",
        tell(
            "vLLM's engine stopped working {during} ({line}).",
            "Start the model again; if it comes back, lower --max-num-seqs or use a newer image.",
        ),
        rank=Rank.DEATH,
        code_when_serving="crashed-after-start",
    ),
    rule(
        "engine-failed",
        r"Engine core initialization failed|EngineCore (?:\w+ )?failed|WorkerProc (?:failed"
        r"|initialization failed)|Worker failed with error|Executor failed",
        tell(
            "vLLM's engine could not start, and its log does not say why.",
            "Look at the log of every Spark of this slot; a newer image may help.",
        ),
        rank=Rank.CONSEQUENCE,
        code_when_serving="crashed-after-start",
    ),
    rule(
        "engine-failed",
        # Exceptions of the clean-up: other processes noticing that one of them is gone.
        r"^(?:(?:[\w.]+\.)?(?-i:CancelledError|KeyboardInterrupt|SystemExit|BrokenPipeError|EOFError"
        r"|ConnectionResetError|ZMQError|ContextTerminated|ProcessLookupError)\b|RuntimeError: cancelled$)",
        tell("vLLM ended {during} without saying why.", _LOOK),
        rank=Rank.CONSEQUENCE,
        code_when_serving="crashed-after-start",
    ),
    rule(
        "engine-failed",
        r"^(?-i:(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Timeout|Exit|Failed|Failure)"
        r"|Exception|AssertionError)(?:: |$)",
        tell("vLLM stopped {during} with this error: {line}.", _LOOK),
        rank=Rank.EXCEPTION,
        code_when_serving="crashed-after-start",
    ),
)

RULES: tuple[Rule, ...] = LAUNCH_RULES + MEMORY_RULES + MODEL_RULES + NETWORK_RULES + _ENDS + OTHER_LAUNCH_RULES

_AGAIN = "Start the model again and watch its log; a lower --gpu-memory-utilization may help."

EXIT_CODES: dict[int, tuple[str, Telling]] = {
    1: (
        "unexplained",
        tell(
            "vLLM ended with exit code {exit_code}, and its log does not say why.",
            "Read the last lines of the log; start the model again to see whether it stays so.",
        ),
    ),
    2: (
        "bad-argument-value",
        tell(
            "vLLM ended with exit code {exit_code}, which it uses for arguments it does not understand.",
            "Check the model's vLLM arguments against the version of vLLM in the image.",
        ),
    ),
    125: (
        "docker-run-failed",
        tell(
            "Docker could not start the container (exit code {exit_code}).",
            "Check the image's name and the model's container arguments.",
        ),
    ),
    126: (
        "image-without-vllm",
        tell(
            "The container could not run its command (exit code {exit_code}).",
            "Choose an image that contains vLLM for the Spark's Arm processor.",
        ),
    ),
    127: (
        "image-without-vllm",
        tell(
            "The command was not found in the container (exit code {exit_code}).",
            "Choose an image that contains vLLM, such as vllm-node.",
        ),
    ),
    134: (
        "crashed",
        tell("vLLM aborted (exit code {exit_code}) and its log does not say why.", _AGAIN),
    ),
    137: (
        "killed",
        tell(
            "vLLM was killed (exit code {exit_code}): by a stop of its container, or because the"
            " Spark ran out of memory.",
            "If nobody stopped it, lower --gpu-memory-utilization or stop other programs that use this Spark's memory.",
        ),
    ),
    139: (
        "crashed",
        tell("vLLM crashed (exit code {exit_code}) and its log does not say why.", _AGAIN),
    ),
    143: (
        "stopped",
        tell(
            "vLLM was asked to stop from outside (exit code {exit_code}).",
            "Start the model again if nobody stopped it on purpose.",
        ),
    ),
    255: (
        "worker-unreachable",
        tell(
            "The connection to the Spark broke (exit code {exit_code}).",
            "Check that the Spark is switched on and reachable by SSH, then start again.",
        ),
    ),
}

UNEXPLAINED: tuple[Telling, Telling] = (
    tell("vLLM ended and its log does not say why; its last line was: {quote}.", _LOOK),
    tell(
        "vLLM ended without printing anything.",
        "Check the image and the launcher's output; then start the model again.",
    ),
)
