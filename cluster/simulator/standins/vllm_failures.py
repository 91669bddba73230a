"""How vLLM fails, in its own words. Every text ends the process."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cluster.simulator.standins.vllm_model import Model
    from cluster.simulator.standins.vllm_words import Words


class StartError(Exception):
    """vLLM ends while starting; `text` is printed as an error of `who`."""

    def __init__(self, who: str, kind: str, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.who = who
        self.kind = kind
        self.text = text
        self.code = code


API, ENGINE = "APIServer", "EngineCore"


def address_in_use() -> StartError:
    return StartError(API, "OSError", "[Errno 98] Address already in use")


def gated(model: Model) -> StartError:
    return StartError(API, "OSError", (
        f"You are trying to access a gated repo.\nMake sure to have access to it at https://huggingface.co/{model.name}.\n"
        f"401 Client Error. (Request ID: Root=1-6a0c)\n\nCannot access gated repo for url "
        f"https://huggingface.co/{model.name}/resolve/main/config.json.\nAccess to model {model.name} is restricted. "
        "You must have access to it and be authenticated to access it. Please log in."))  # fmt: skip


def no_such_path(name: str) -> StartError:
    return StartError(API, "ValueError", (
        f"Invalid repository ID or local directory specified: '{name}'.\nPlease verify the following requirements:\n"
        "1. Provide a valid Hugging Face repository ID.\n"
        "2. Specify a local directory that contains a recognized configuration file."))  # fmt: skip


def not_enough_free(model: Model, available: float, total: float) -> StartError:
    return StartError(ENGINE, "ValueError", (
        f"Free memory on device cuda:0 ({available:.2f}/{total:.2f} GiB) on startup is less than desired GPU memory "
        f"utilization ({model.utilization}, {model.budget_gib:.2f} GiB). Decrease GPU memory utilization or reduce GPU "
        "memory used by other processes."))  # fmt: skip


def out_of_memory(free: float, total: float) -> StartError:
    return StartError(
        ENGINE,
        "torch.OutOfMemoryError",
        (
            f"CUDA out of memory. Tried to allocate 2.38 GiB. GPU 0 has a total capacity of {total:.2f} GiB of which "
            f"{free:.2f} GiB is free. Including non-PyTorch memory, "
            f"this process has {total - free - 4:.2f} GiB memory in use."
        ),
    )


def no_cache_memory() -> StartError:
    return StartError(ENGINE, "ValueError", (
        "No available memory for the cache blocks. "
            "Try increasing `gpu_memory_utilization` when initializing the engine."
    ))  # fmt: skip


def disk_full(model: Model) -> StartError:
    return StartError(ENGINE, "OSError", (
        "[Errno 28] No space left on device: '/root/.cache/huggingface/hub/models--"
        + model.name.replace("/", "--") + "/blobs/3f1c.incomplete'"))  # fmt: skip


def too_many_ranks(size: int) -> StartError:
    return StartError(
        API,
        "pydantic_core._pydantic_core.ValidationError",
        (
            f"1 validation error for ParallelConfig\n  Value error, World size ({size}) is larger than the number of "
            "available GPUs (1) in this node. If this is intentional and you are using:\n"
            "- ray, set '--distributed-executor-backend ray'.\n- multiprocessing, set '--nnodes' appropriately."
        ),
    )


def missing_weights(model: Model) -> StartError:
    return StartError("Worker_TP1", "huggingface_hub.errors.LocalEntryNotFoundError", (
        "Cannot find an appropriate cached snapshot folder for the specified revision on the local disk and outgoing "
        f"traffic has been disabled. To enable repo look-ups and downloads online, pass 'local_files_only=False' as "
        f"input. ({model.name})"))  # fmt: skip


def engines_timed_out(seconds: int) -> StartError:
    return StartError(API, "TimeoutError", (
        f"Timed out waiting for engine core processes to start. This is often caused by slow weight loading for large "
        f"models. Waited {seconds}s (configured by VLLM_ENGINE_READY_TIMEOUT_S)."))  # fmt: skip


def worker_died(rank: int) -> StartError:
    return StartError(ENGINE, "RuntimeError", (
        f"Worker proc VllmWorker-{rank} died unexpectedly, shutting down executor. cancelled"))  # fmt: skip


def report(words: Words, error: StartError, pid: int) -> str:
    """The log of a failed start: a traceback, then what follows from it in the API server."""
    who = words.engine if error.who == ENGINE else error.who
    if error.who == API:
        return _traceback(f"(APIServer pid={pid}) ", error)
    head = words.line(
        who, pid, "core.py:1006", f"{'WorkerProc' if 'Worker' in who else 'EngineCore'} failed to start.", "ERROR"
    )
    mark = words.line(who, pid, "core.py:1006", "", "ERROR").rstrip("\n")
    root = head + _traceback(mark, error)
    consequence = StartError(API, "RuntimeError", (
        "Engine core initialization failed. See root cause above. "
        f"Failed core proc(s): {{'{words.engine}': 1}}"))  # fmt: skip
    return root + ("" if "Worker" in who else _traceback(f"(APIServer pid={pid}) ", consequence))


def _traceback(prefix: str, error: StartError) -> str:
    lines = [
        "Traceback (most recent call last):",
        '  File "/usr/local/lib/python3.12/dist-packages/vllm/v1/engine/core.py", line 1001, in run_engine_core',
        "    engine_core = EngineCoreProc(*args, engine_index=dp_rank, **kwargs)",
        *f"{error.kind}: {error.text}".splitlines(),
    ]
    return "".join(f"{prefix}{line}\n" for line in lines)
