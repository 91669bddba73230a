"""Arguments, model files and the image (spark-facts 3.3)."""

import re
from collections.abc import Mapping

from swaps.logs.rule import Rank, Rule, rule, tell

_LICENCE = (
    "Accept the licence on the model's Hugging Face page and give this Spark the token of that"
    " account (HF_TOKEN), or download the model beforehand."
)
_DOWNLOAD = "Download the complete model to every Spark of this slot, then start again."
_SPELLING = "Check the spelling of the repository or path in the model's definition."
_NEWER = "Use a newer vLLM image for this model."
_OTHER_WEIGHTS = "Use the image, mod or quantization that the model's page names for DGX Spark, or a newer vLLM image."


def _named_flags(values: Mapping[str, str]) -> dict[str, str]:
    """Only the names out of `--flag value --other=value`: the values were not the problem."""
    flags = re.findall(r"(?<!\S)--?[A-Za-z][\w.-]*", values["words"])
    if not flags:
        return {"flags": values["words"], "s": ""}
    names = flags[0] if len(flags) == 1 else f"{', '.join(flags[:-1])} and {flags[-1]}"
    return {"flags": names, "s": "s" if len(flags) > 1 else ""}


def _gigabytes(amount: str) -> str:
    return f"{float(amount.removesuffix(' MB')) / 1000:.1f} GB"


_MODEL_URL = r"https?://[\w.-]+/(?:api/models/)?(?P<repo>[\w.-]+/[\w.-]*\w)"

_ARGUMENTS: tuple[Rule, ...] = (
    rule(
        "unknown-argument",
        r"error: unrecognized arguments",
        tell(
            "This image's vLLM does not know the argument{s} {flags}.",
            "Remove {flags} from the model's vLLM arguments, or use a newer image.",
            facts=r"unrecognized arguments: (?P<words>\S.*)$",
            derive=_named_flags,
        ),
        tell(
            "This image's vLLM does not know one of the arguments.",
            "Correct the model's vLLM arguments, or use an image whose vLLM knows them.",
        ),
    ),
    rule(
        "bad-argument-value",
        r"error: argument |error: the following arguments are required|error: ambiguous option",
        tell(
            "vLLM does not accept '{value}' for {flag}; it accepts {choices}.",
            "Set {flag} to one of the accepted values in the model's vLLM arguments.",
            facts=r"error: argument (?P<flag>[^:]{1,120}): invalid choice: '?(?P<value>[^'(]{1,80}?)'?"
            r" \(choose from (?P<choices>[^)]{1,400})\)",
        ),
        tell(
            "vLLM does not accept the value '{value}' for {flag}.",
            "Correct {flag} in the model's vLLM arguments.",
            facts=r"error: argument (?P<flag>[^:]{1,120}): (?:invalid|Value) .{0,80}?"
            r"'?(?P<value>[^'\s]{1,200})'?(?: cannot be.{0,80})?(?:$|\s)",
        ),
        tell(
            "vLLM does not accept the arguments as they stand ({line}).",
            "Correct the model's vLLM arguments.",
        ),
    ),
    rule(
        "bad-argument-value",
        r"invalid (?:tool call|reasoning) parser|Failed to load the (?:tool|reasoning) parser",
        tell(
            "This image's vLLM has no {kind} parser named {name}.",
            "Correct the --{kind}-parser argument, or use a newer image.",
            facts=r"invalid (?P<kind>tool call|reasoning) parser:? '?(?P<name>[\w.-]+)",
            derive=lambda values: {"kind": values["kind"].replace(" ", "-")},
        ),
        tell(
            "This image's vLLM has no such tool or reasoning parser.",
            "Correct --tool-call-parser or --reasoning-parser, or use a newer image.",
        ),
    ),
    rule(
        "needs-trust-remote-code",
        r"trust_remote_code=True|contains custom code which must be executed",
        tell(
            "The model{named} brings code of its own, which vLLM runs only when allowed.",
            "Add --trust-remote-code to the model's vLLM arguments if you trust its publisher.",
        ),
    ),
    rule(
        "port-in-use",
        r"\[Errno 98\]|address already in use|port is already allocated|EADDRINUSE",
        tell(
            "Port {taken} is already used by another program on this Spark.",
            "Stop the program that listens on port {taken} (often an earlier vLLM), or give this slot another port.",
            facts=r"(?:bind on address \('[^']*', |port: |Bind for [\d.:]*:|, port )(?P<taken>\d{2,5})\b",
        ),
        tell(
            "vLLM could not open {the_port}, because another program on this Spark uses it.",
            "Stop the program that listens there (often an earlier vLLM), or give this slot another port.",
        ),
    ),
)

_FILES: tuple[Rule, ...] = (
    rule(
        "gated-repo",
        r"gated repo|GatedRepoError|Access to model \S+ is restricted|awaiting a review",
        tell(
            "The model {repo} is gated: Hugging Face did not let this Spark download it.",
            _LICENCE,
            facts=_MODEL_URL,
        ),
        tell("The model{named} is gated, and this Spark may not download it.", _LICENCE),
        refines=("no-token", "access-denied"),
    ),
    rule(
        "repo-not-found",
        r"Repository Not Found for url|RepositoryNotFoundError|RevisionNotFoundError"
        r"|is not a local folder and is not a valid model identifier"
        r"|Invalid repository ID or local directory specified|HFValidationError"
        r"|is not a valid git identifier",
        tell(
            "There is no model {repo} on Hugging Face, or this Spark's token may not see it.",
            "Check the spelling of {repo}; a private model also needs HF_TOKEN on this Spark.",
            facts=rf"Repository Not Found for url: {_MODEL_URL}",
        ),
        tell(
            "'{name}' is neither a folder on this Spark nor a model on Hugging Face.",
            _SPELLING,
            facts=r"directory specified:? '(?P<name>[^']{1,200})'",
        ),
        tell(
            "'{name}' is neither a folder on this Spark nor a model on Hugging Face.",
            _SPELLING,
            facts=r"(?P<name>[\w./@:+-]{1,200}) is not a local folder",
        ),
        tell("The model{named} was not found.", _SPELLING),
        refines=("no-token",),
    ),
    rule(
        "no-token",
        r"\b401 Client Error|Invalid user token|LocalTokenNotFoundError|Token is required",
        tell(
            "Hugging Face asked for a sign-in to download {repo}, and this Spark's token is missing or not valid.",
            "Give this Spark a valid token (HF_TOKEN), or download the model beforehand.",
            facts=_MODEL_URL,
        ),
        tell(
            "Hugging Face asked for a sign-in, and this Spark's token is missing or not valid.",
            "Give this Spark a valid token (HF_TOKEN), or download the model beforehand.",
        ),
    ),
    rule(
        "access-denied",
        r"\b403 Client Error|\b403 Forbidden",
        tell(
            "Hugging Face refused to hand out {repo} to this Spark's account.",
            _LICENCE,
            facts=_MODEL_URL,
        ),
        tell("Hugging Face refused to hand out the model to this Spark's account.", _LICENCE),
    ),
    rule(
        "offline-incomplete-cache",
        r"outgoing traffic has been disabled|couldn't connect to 'https?://|LocalEntryNotFoundError"
        r"|IncompleteSnapshotError|OfflineModeIsEnabled|cannot find the requested files in the"
        r" (?:disk|local) cache",
        tell(
            "The model{named} is not complete on this Spark, and vLLM could not fetch the rest, being offline.",
            _DOWNLOAD,
        ),
    ),
    rule(
        "no-internet",
        r"Temporary failure in name resolution|Name or service not known|Network is unreachable"
        r"|Max retries exceeded with url",
        tell(
            "This Spark could not reach {host} to download the model.",
            "Check the Spark's internet connection, or download the model beforehand.",
            facts=r"host='(?P<host>[\w.-]+)'|resolve '(?P<other>[\w.-]+)'",
        ),
        tell(
            "This Spark could not reach the internet to download the model.",
            "Check the Spark's internet connection, or download the model beforehand.",
        ),
    ),
    rule(
        "weights-missing",
        r"Cannot find any model weights with|does not appear to have (?:a file named|files named)"
        r"|No such file or directory: '[^']*\.(?:safetensors|bin|json|pt|gguf)"
        r"|EntryNotFoundError|EntryNotFound\b",
        tell(
            "There are no weights in '{path}'.",
            _DOWNLOAD,
            facts=r"any model weights with `?'?(?P<path>[^`'\s]{1,300})",
        ),
        tell(
            "A file of the model is missing on this Spark: {path}.",
            _DOWNLOAD,
            facts=r"directory: '(?P<path>[^']{1,300})'|file named (?P<name>\S+)",
            derive=lambda values: {"path": values["path"] or values["name"].rstrip(".")},
        ),
        tell("Files of the model{named} are missing on this Spark.", _DOWNLOAD),
    ),
    rule(
        "weights-damaged",
        r"SafetensorError|InvalidHeader|MetadataIncompleteBuffer|HeaderTooLarge"
        r"|Error while deserializing header",
        tell(
            "A weight file of {the_model} is damaged or was not downloaded completely.",
            "Delete the model's copy on this Spark and download it again.",
        ),
    ),
    rule(
        "disk-full",
        r"No space left on device",
        tell(
            "The disk of this Spark is full.",
            "Delete models that are no longer needed on this Spark, then start again.",
        ),
    ),
    rule(
        "disk-full",
        r"Not enough free disk space to download",
        tell(
            "Downloading the model needs {need}, but the disk of this Spark has only {free} free.",
            "Delete models that are no longer needed on this Spark, then start again.",
            facts=r"expected file size is: (?P<need>\d{1,12}(?:\.\d{1,6})? MB)"
            r".{0,400}? only has (?P<free>\d{1,12}(?:\.\d{1,6})? MB)",
            derive=lambda values: {key: _gigabytes(values[key]) for key in ("need", "free")},
        ),
        tell(
            "The disk of this Spark has too little room to download the model.",
            "Delete models that are no longer needed on this Spark, then start again.",
        ),
        rank=Rank.HINT,
    ),
    rule(
        "too-many-open-files",
        r"Too many open files",
        tell(
            "vLLM hit the limit of files it may have open at once.",
            "Raise the container's limit (--ulimit nofile=1048576:1048576), or use the current"
            " launch-cluster.sh, which does.",
        ),
    ),
    rule(
        "file-permission",
        r"PermissionError: |\[Errno 13\] Permission denied",
        tell(
            "vLLM may not read or write {path}.",
            "On the Spark run: sudo chown -R $USER ~/.cache; earlier containers may have left files"
            " there that belong to root.",
            facts=r"Permission denied: '(?P<path>[^']{1,300})'",
        ),
        tell(
            "vLLM lacks the permission to read or write one of its files ({line}).",
            "On the Spark run: sudo chown -R $USER ~/.cache; earlier containers may have left files"
            " there that belong to root.",
        ),
    ),
)

_FIT: tuple[Rule, ...] = (
    rule(
        "unsupported-architecture",
        r"Model architectures? .{0,200}(?:not supported|failed to be inspected)"
        r"|does not recognize this architecture|has no vLLM implementation"
        r"|architecture .{0,120} is not supported",
        tell(
            "This image's vLLM cannot run models of the type {arch}.",
            _NEWER,
            facts=r"(?:Model architectures? \[?'?|model type [`'\"]|^)(?P<arch>\w[\w.-]*)"
            r"['\]`\"].{0,200}?(?:not supported|failed to be|does not recognize|no vLLM)",
        ),
        tell("This image's vLLM cannot run models of this type.", _NEWER),
    ),
    rule(
        "unsupported-quantization",
        r"Unknown quantization method|quantization method .{0,120}not supported"
        r"|is not supported for the current GPU|Invalid quantization method",
        tell(
            "This image's vLLM cannot run the quantization {method}.",
            "Use an image made for {method}, or another quantization of the model.",
            facts=r"quantization method:? ['`\"]?(?P<method>\w(?:[\w.-]*\w)?)",
        ),
        tell(
            "This image's vLLM cannot run the model's quantization on a DGX Spark.",
            "Use an image made for this quantization, or another quantization of the model.",
        ),
    ),
    rule(
        "checkpoint-mismatch",
        r"no module or parameter named|weights were not initialized from checkpoint"
        r"|KeyError: '[^']*(?:weight|scale|proj|expert|bias|layers\.\d)"
        r"|Attempted to load weight|size mismatch for ",
        tell(
            "The model's weights do not fit this vLLM: it does not know what to do with {name}.",
            _OTHER_WEIGHTS,
            facts=r"(?:parameter named '?|KeyError: ')(?P<name>[\w.-]{1,160})",
        ),
        tell(
            "The model's weights do not fit this vLLM: it misses {name}.",
            _OTHER_WEIGHTS,
            facts=r"not initialized from checkpoint: \{?'?(?P<name>[\w.-]{1,160})",
        ),
        tell("The model's weights do not fit this vLLM.", _OTHER_WEIGHTS),
    ),
    rule(
        "image-not-for-this-gpu",
        r"no kernel image is available|Value 'sm_\w+' is not defined|Unsupported gpu architecture"
        r"|is not compatible with the current PyTorch installation",
        tell(
            "This image was built for other GPUs than the Spark's GB10.",
            "Use a vLLM image made for DGX Spark (GPU generation sm_121).",
        ),
        refines=("kernel-build-failed",),
    ),
    rule(
        "kernel-build-failed",
        r"Ninja build failed|BackendCompilerFailed|InductorError|Failed to find C compiler"
        r"|ptxas fatal|nvcc fatal|PTXASError",
        tell(
            "vLLM could not compile the model's GPU code ({reason}).",
            "Try --enforce-eager in the model's vLLM arguments, or a newer image made for DGX Spark.",
            facts=r"(?P<reason>(?:\w+ )?fatal\s*: .{1,160}|\berror: .{1,160}|InductorError: .{1,160})$",
        ),
        tell(
            "vLLM could not compile the model's GPU code.",
            "Try --enforce-eager in the model's vLLM arguments, or a newer image made for DGX Spark.",
        ),
    ),
    rule(
        "missing-package",
        r"^(?:ModuleNotFoundError|ImportError): ",
        tell(
            "This image lacks a Python package that the model's arguments need: {name}.",
            "Use an image that contains {name}, or remove the argument that needs it.",
            facts=r"No module named '(?P<name>[\w.]+)'",
        ),
        tell(
            "This image lacks something that the model's arguments need ({line}).",
            "Use a newer image, or remove the argument that needs it.",
        ),
    ),
)

# A NotFound or a gated repository is searched before the bare HTTP status that comes with it.
MODEL_RULES = _ARGUMENTS + _FILES + _FIT
