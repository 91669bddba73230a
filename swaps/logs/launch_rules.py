"""What the launcher script, ssh and docker say when a launch fails (spark-facts 1.3 to 1.5)."""

from swaps.logs.rule import Rank, Rule, rule, tell

_CONFIG = "Correct the slot's launcher directory and the .env file beside launch-cluster.sh."
_CABLE = (
    "Check the cable between the Sparks and the addresses of their ConnectX ports, or name the"
    " interface with ETH_IF and IB_IF in the launcher's .env file."
)

_LAUNCHER: tuple[Rule, ...] = (
    rule(
        "launcher-config",
        r"Error: Config file not found",
        tell(
            "The launcher's configuration file {path} does not exist.",
            _CONFIG,
            facts=r"Config file not found: (?P<path>\S+)",
        ),
        tell("The launcher's configuration file does not exist.", _CONFIG),
    ),
    rule(
        "launcher-config",
        r"Error: Invalid \.env file syntax",
        tell(
            "The launcher could not read its .env file, because a line in it has a syntax error.",
            "Correct the .env file beside launch-cluster.sh: one KEY=value per line, values with spaces in quotes.",
        ),
    ),
    rule(
        "launcher-config",
        r"Error: Local IP .* is not in the list of nodes",
        tell(
            "This Spark's address {ip} is not among the launcher's nodes ({nodes}).",
            "Correct CLUSTER_NODES in the launcher's .env file, or the slot's head and worker:"
            " the head Spark's fabric address has to come first.",
            facts=r"Local IP \((?P<ip>[^)]*)\) is not in the list of nodes \((?P<nodes>[^)]*)\)",
        ),
        tell(
            "This Spark's address is not among the launcher's nodes.",
            "Correct CLUSTER_NODES in the launcher's .env file.",
        ),
    ),
    rule(
        "launcher-config",
        r"Error: No action specified|Error: Unknown (?:argument or )?action: (?!-)|Error: Invalid action",
        tell(
            "The launcher did not get an action it knows (start, stop, status or exec).",
            "Update launch-cluster.sh on this Spark; its version does not fit this command.",
        ),
    ),
    rule(
        "launcher-config",
        r"Error: .*port forwarding is only supported in solo mode",
        tell(
            "The launcher can publish a port (-p) only for a model that runs on one Spark.",
            "Remove -p from the model's launcher arguments; on two Sparks the port is reachable without it.",
        ),
    ),
    rule(
        "launcher-config",
        r"Error: .*--(?:no-)?ray\b.*(?:solo|single)|Error: .*(?:solo|single).*--(?:no-)?ray\b",
        tell(
            "The launcher does not accept --ray or --no-ray for a model that runs on one Spark.",
            "Remove --ray and --no-ray from the model's launcher arguments.",
        ),
    ),
    rule(
        "launcher-outdated",
        r"(?:Unknown|Unrecognized|Invalid) (?:option|argument(?: or action)?|flag)[: ]+['\"]?-",
        tell(
            "The launcher script on this Spark does not know the option {flag}.",
            "Update launch-cluster.sh on this Spark (git pull in its directory).",
            facts=r"(?:option|argument|action|flag)[: ]+['\"]?(?P<flag>-[\w-]+)",
        ),
        tell(
            "The launcher script on this Spark does not know one of its options.",
            "Update launch-cluster.sh on this Spark (git pull in its directory).",
        ),
    ),
    rule(
        "not-enough-gpus",
        r"Error: Command requires \d+ node",
        tell(
            "The model's arguments need {need} Sparks, but the launcher has only {have}.",
            "Use a slot with {need} Sparks, or lower --tensor-parallel-size.",
            facts=r"requires (?P<need>\d+) node\D*?.*?(?:only|have|but) \D*(?P<have>\d+)",
        ),
        tell(
            "The model's arguments need {need} Sparks, which is more than the launcher has.",
            "Use a slot with {need} Sparks, or lower --tensor-parallel-size.",
            facts=r"requires (?P<need>\d+) node",
        ),
        tell(
            "The model's arguments need more Sparks than the launcher has.",
            "Use a slot with more Sparks, or lower --tensor-parallel-size.",
        ),
    ),
    rule(
        "worker-unreachable",
        r"Error: Passwordless SSH to .* failed",
        tell(
            "The head Spark could not log in to {host} by SSH without a password.",
            "On the head Spark run: ssh-copy-id {host}, then test with: ssh {host} true.",
            facts=r"Passwordless SSH to (?P<host>\S+) failed",
        ),
        tell(
            "The head Spark could not log in to its worker by SSH without a password.",
            "Install the head Spark's SSH key on the worker with ssh-copy-id.",
        ),
    ),
    rule(
        "worker-unreachable",
        r"ssh: connect to host|Permission denied \(publickey|Host key verification failed"
        r"|ssh: Could not resolve hostname",
        tell(
            "The head Spark could not reach {host} by SSH ({reason}).",
            "Check that {host} is switched on and that its fabric address is right.",
            facts=r"ssh: connect to host (?P<host>\S+) port \d+: (?P<reason>[A-Za-z ]+?)\s*$",
        ),
        tell(
            "The head Spark could not log in to its worker by SSH ({line}).",
            "From the head Spark log in to the worker once by hand and accept its host key, or"
            " install the key with ssh-copy-id.",
        ),
    ),
    rule(
        "no-fabric-interface",
        r"Error: Interface \S+ .*has no IP address",
        tell(
            "The fabric interface {name} is up but has no IP address.",
            "Give {name} a static address on this Spark (netplan), then start again.",
            facts=r"Interface (?P<name>\S+) ",
        ),
        tell("A fabric interface is up but has no IP address.", _CABLE),
    ),
    rule(
        "no-fabric-interface",
        r"Error: Unexpected number of active CX7 interfaces",
        tell(
            "The launcher found {count} active ConnectX interfaces, but it expects 2, or 4 for a mesh.",
            _CABLE,
            facts=r"interfaces \((?P<count>\d+)\)",
        ),
        tell("The launcher found an unexpected number of active ConnectX interfaces.", _CABLE),
    ),
    rule(
        "no-fabric-interface",
        r"Error: ibdev2netdev not found",
        tell(
            "The launcher could not look for the fast link, because ibdev2netdev is not installed.",
            "Name the interfaces with ETH_IF and IB_IF in the launcher's .env file, or install"
            " ibdev2netdev on this Spark.",
        ),
    ),
    rule(
        "no-fabric-interface",
        r"Error: No active IB interfaces found",
        tell("The launcher found no active fast link between the Sparks.", _CABLE),
    ),
    rule(
        "image-missing",
        r"Error: Could not inspect image",
        tell(
            "The image {image} is not on the {role} Spark.",
            "Build or copy the image {image} to that Spark, or choose another image.",
            facts=r"inspect image '(?P<image>[^']+)' on (?P<role>head|worker) node",
        ),
        tell("The image is not on this Spark.", "Build or copy the image to this Spark."),
    ),
    rule(
        "image-mismatch",
        r"Error: Docker image mismatch|image '[^']*' is not in sync",
        tell(
            "The image {image} is not the same on all Sparks of this slot.",
            "Copy the head Spark's image {image} to the worker, then start again.",
            facts=r"image '(?P<image>[^']+)' is not in sync",
        ),
        tell(
            "The image is not the same on all Sparks of this slot.",
            "Copy the head Spark's image to the worker, then start again.",
        ),
    ),
    rule(
        "mod-missing",
        r"Error: Mod path .* does not exist",
        tell(
            "The mod {path} of this model does not exist on the Spark.",
            "Correct the model's mods, or update the launcher's directory, which holds them.",
            facts=r"Mod path '(?P<path>[^']+)'",
        ),
        tell("A mod of this model does not exist on the Spark.", "Correct the model's mods."),
    ),
    rule(
        "mod-failed",
        r"Error: Patch script failed",
        tell(
            "A mod of this model failed on {host}.",
            "Update the launcher's directory and the image, or remove the mod: it may not fit this vLLM any more.",
            facts=r"Patch script failed on (?P<host>\S+?)\.?(?:\s|$)",
        ),
        tell("A mod of this model failed.", "Update the launcher's directory, or remove the mod."),
    ),
    rule(
        "cluster-start-timeout",
        r"Timeout waiting for cluster to start",
        tell(
            "The Ray cluster of the two Sparks did not come up within a minute.",
            "Check that the worker is reachable and has no old container, or start without Ray (--no-ray).",
        ),
    ),
    rule(
        "launch-failed",
        r"Error: Failed to launch (?:worker|the command)",
        tell(
            "The launcher could not start vLLM in the container on {host}.",
            "Look at Docker on {host}: the container may have ended, or the Spark may be unreachable.",
            facts=r"Failed to launch worker .{0,40}on (?P<host>\S+?)\.?$",
        ),
        tell(
            "The launcher could not start vLLM in the container on the head Spark.",
            "Look at Docker on the head Spark: the container may have ended at once.",
        ),
    ),
    rule(
        "already-running",
        r"Cluster containers are already running\. Skipping launch|Container '[^']*' is already running",
        tell(
            "An old container was still running, so the launcher started vLLM inside it instead of in a fresh one.",
            "Stop the slot on every Spark, then start again.",
        ),
        rank=Rank.HINT,
    ),
)

_DOCKER: tuple[Rule, ...] = (
    rule(
        "docker-permission",
        r"permission denied while trying to connect to the Docker",
        tell(
            "The login user on this Spark is not allowed to use Docker.",
            "On the Spark run: sudo usermod -aG docker $USER, then let Spark Control connect anew.",
        ),
    ),
    rule(
        "docker-down",
        r"Cannot connect to the Docker daemon|Is the docker daemon running"
        r"|docker\.service.*(?:failed|inactive)",
        tell(
            "Docker is not running on this Spark.",
            "On the Spark run: sudo systemctl start docker.",
        ),
    ),
    rule(
        "cdi-stale",
        r"unresolvable CDI devices",
        tell(
            "Docker's description of the GPU is out of date ({device}), usually after a driver update.",
            "On the Spark run: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml, then start again.",
            facts=r"unresolvable CDI devices (?P<device>[\w./=:-]*\w)",
        ),
        tell(
            "Docker's description of the GPU is out of date, usually after a driver update.",
            "On the Spark run: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml.",
        ),
    ),
    rule(
        "gpu-not-visible",
        r"could not select device driver|nvidia-container-cli: |NVML: Driver/library version"
        r"|Failed to initialize NVML|No CUDA GPUs are available|Failed to infer device type"
        r"|CUDA driver initialization failed|couldn't communicate with the NVIDIA driver"
        r"|Found no NVIDIA driver|cudaErrorNoDevice",
        tell(
            "The container cannot see the GPU of this Spark ({line}).",
            "Run nvidia-smi on the Spark; if that fails too, reboot it, otherwise reinstall the"
            " NVIDIA Container Toolkit.",
        ),
    ),
    rule(
        "container-name-taken",
        r"Conflict\. The container name",
        tell(
            "A container named {name} already exists on this Spark.",
            "Stop or remove it with docker rm -f {name}, or give this slot another container name.",
            facts=r"container name \"/?(?P<name>[^\"]+)\" is already in use",
        ),
        tell(
            "A container with this slot's name already exists on this Spark.",
            "Stop or remove the old container, then start again.",
        ),
    ),
    rule(
        "image-missing",
        r"Unable to find image|pull access denied|manifest unknown|manifest for \S+ not found"
        r"|Error response from daemon: No such image|Error: No such image",
        tell(
            "The image {image} is not on this Spark.",
            "Build or pull the image {image} on this Spark, or choose another image.",
            facts=r"(?:Unable to find image '|pull access denied for |manifest for |No such image: )"
            r"(?P<image>[^'\s,]+)",
        ),
        tell(
            "The image is not on this Spark and could not be pulled.",
            "Build or pull the image on this Spark, or choose another image.",
        ),
    ),
    rule(
        "image-wrong-platform",
        r"exec format error|no matching manifest for linux/arm64"
        r"|platform \(linux/amd64\) does not match",
        tell(
            "The image is not built for the Spark's Arm processor.",
            "Use an arm64 image of vLLM made for DGX Spark.",
        ),
    ),
    rule(
        "image-without-vllm",
        r"vllm: (?:command )?not found|exec: \"vllm\": executable file not found"
        r"|No module named '?vllm'?(?:$|\W)",
        tell(
            "The image has no vLLM in it.",
            "Choose an image that contains vLLM, such as vllm-node.",
        ),
    ),
    rule(
        "mount-missing",
        r"bind source path does not exist|invalid mount config",
        tell(
            "A folder to be mounted does not exist on this Spark: {path}.",
            "Create {path}, or correct the model's path.",
            facts=r"bind source path does not exist: (?P<path>\S+)",
        ),
        tell("A folder to be mounted does not exist on this Spark.", "Correct the model's path."),
    ),
    rule(
        "container-gone",
        r"No such container|container \S+ is not running",
        tell(
            "The container ended before vLLM could be started in it.",
            "Look at the launcher's output above, and start again.",
        ),
        rank=Rank.HINT,
    ),
)

# Words of the launcher or of Docker that no rule knows: better quoted than kept back.
_OTHERS: tuple[Rule, ...] = (
    rule(
        "launch-failed",
        r"^(?:docker: )?Error response from daemon: .",
        tell(
            "Docker refused to start the container: {line}.",
            "Correct what Docker names: the image, the model's container arguments or its mounts.",
        ),
        rank=Rank.HINT,
    ),
    rule(
        "launch-failed",
        r"^(?-i:Error: ).",
        tell(
            "The launcher stopped with this message: {message}.",
            "Correct what it names, in the model's launcher arguments or the .env file beside launch-cluster.sh.",
            facts=r"^Error: (?P<message>.{1,300}?)\.?$",
        ),
        tell("The launcher stopped with an error.", _CONFIG),
        rank=Rank.HINT,
    ),
)

LAUNCH_RULES = _LAUNCHER + _DOCKER
OTHER_LAUNCH_RULES = _OTHERS
