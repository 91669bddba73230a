"""Who else uses the memory of a Spark's GPU: containers of a kind that does, and programs outside of any. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from cluster import parsers
from cluster.readings import Container, GpuProcess

# A desktop holds a little; what a load would miss is much.
LEAST_MIB = 512

WORDS = {
    "vllm": "vLLM",
    "launcher": "vLLM of the community launcher",
    "ray": "Ray",
    "sparkrun": "sparkrun",
    "nim": "NVIDIA NIM",
    "ollama": "Ollama",
    "sglang": "SGLang",
    "tensorrt": "TensorRT-LLM",
    "triton": "Triton",
    "comfyui": "ComfyUI",
    "lmstudio": "LM Studio",
    "llamacpp": "llama.cpp",
    "tgi": "Text Generation Inference",
}

# The lines of a preflight. One nvidia-smi for all: with a sick driver it hangs, and then nothing is known.
SCRIPT = r"""
gpu_users() {
  timeout -k 1 10 docker ps --no-trunc --format '{{json .}}' 2>/dev/null | sed 's/^/container_row /'
  timeout -k 1 5 nvidia-smi --query-compute-apps=pid,process_name,used_memory --format=csv,noheader,nounits \
    2>/dev/null | while IFS=, read -r pid rest; do
    case $pid in '' | *[!0-9]*) continue ;; esac
    echo "gpu_app $pid,$rest"
    echo "gpu_owner $pid $(stat -c %U "/proc/$pid" 2>/dev/null)"
    while IFS= read -r group; do echo "gpu_group $pid $group"; done 2>/dev/null <"/proc/$pid/cgroup"
  done
}
"""


@dataclass(frozen=True, slots=True)
class GpuUser:
    """A container (`pid` 0) or a program. `ours`: Spark Control started it. Memory None: not known."""

    name: str
    image: str = ""
    kind: str = "other"
    pid: int = 0
    user: str = ""
    memory_mib: int | None = None
    ours: bool = False

    @property
    def words(self) -> str:
        """For a sentence: Ollama (container ollama, ollama/ollama:latest), or python3 (process 4711 of ana)."""
        if self.pid:
            return f"{self.name} (process {self.pid}{' of ' + self.user if self.user else ''})"
        return f"{WORDS.get(self.kind, 'A program')} (container {self.name}, {self.image})"


def read_gpu_users(
    rows: Iterable[str], apps: Iterable[str], groups: Iterable[str], owners: Iterable[str]
) -> tuple[GpuUser, ...]:
    """From the lines of SCRIPT, without their first words."""
    text = "\n".join(rows)
    inside = parsers.cgroup_containers("\n".join(groups))
    names = parsers.container_names(text)
    on_gpu = {pid: names.get(identity, identity[:12]) for pid, identity in inside.items()}
    processes = parsers.gpu_processes("\n".join(apps), on_gpu, parsers.owners("\n".join(owners)))
    boxes = [box for box in parsers.containers(text, set(inside.values())) if box.running]
    loose = [p for p in processes if not p.container and (p.memory_mib is None or p.memory_mib >= LEAST_MIB)]
    return (
        *(_of_box(box, processes) for box in boxes),
        *(GpuUser(p.name, pid=p.pid, user=p.user, memory_mib=p.memory_mib) for p in loose),
    )


def _of_box(box: Container, processes: Iterable[GpuProcess]) -> GpuUser:
    held = [p.memory_mib for p in processes if p.container == box.name and p.memory_mib is not None]
    ours = "sparkcontrol.swap" in box.labels
    return GpuUser(box.name, box.image, box.kind, memory_mib=sum(held) if held else None, ours=ours)
