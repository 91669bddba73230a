"""What each setting of a slot is for, in the words of every door: pages, Django admin and API description."""

from cluster.models import DEFAULT_LAUNCHER_DIR

HELP = {
    "port": "Blank means 8888.",
    "container": "Blank means vllm_node.",
    "launcher": (
        "launch_cluster: launch-cluster.sh on the head starts the model on one Spark or more. "
        "docker_run: vLLM is the main process of a container on the head alone; nothing else is needed there."
    ),
    "launcher_dir": f"Of launch-cluster.sh. Blank means {DEFAULT_LAUNCHER_DIR}.",
    "image": "For models that name none. Blank means vllm-node.",
    "is_default": "Calls that name no slot mean this one.",
    "memory_floor_gib": (
        "A load is stopped when a Spark of this slot has less memory available than this, before it freezes. "
        "0 turns the guard off."
    ),
    "drop_caches": (
        "Before each load. Needs a line for /usr/bin/tee /proc/sys/vm/drop_caches in the sudoers of the Sparks."
    ),
    "foreign_gpu_users": (
        "What a swap does about other programs that use the GPU's memory: warn names them and goes on, refuse ends "
        "the swap before anything is stopped."
    ),
    "relaunches_per_hour": (
        "How often in an hour a model that is up but makes no tokens is launched again by itself. 0: only say so."
    ),
}
