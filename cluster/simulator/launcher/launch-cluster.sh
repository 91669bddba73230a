#!/bin/bash
# A simulated Spark's launcher: keeps the contract of the community's launch-cluster.sh, traps included,
# for the vintage named in the file `vintage` beside it (2026-01, 2026-04 or 2026-08).
here=$(dirname "$(realpath "$0")")
vintage=$(cat "$here/vintage" 2>/dev/null || echo 2026-08)
started=$EPOCHREALTIME
pause=${SPARKSIM_LAUNCHER_PAUSE:-2}
sparksim journal launcher "$0" "$@"
finish() { sparksim journal launcher-done "$(awk "BEGIN { print $EPOCHREALTIME - $started }")"; }
trap finish EXIT

since() { [[ ! $vintage < "$1" ]]; }
refuse() {
    echo "$1"
    exit 1
}

image=vllm-node
name=vllm_node
hf_cache=$HOME/.cache/huggingface
since 2026-04 && hf_cache=${HF_HOME:-$hf_cache}
docker_args="-e NCCL_IGNORE_CPU_AFFINITY=1 -v $hf_cache:/root/.cache/huggingface $VLLM_SPARK_EXTRA_DOCKER_ARGS"
master_port=29501
nodes= eth_if= ib_if= action= command= script= config=
daemon= solo= check= was_running= keep_entrypoint= earlyoom= unprivileged= no_cache_dirs=
nccl_debug= local_ip=
earlyoom_args=${VLLM_SPARK_EARLYOOM_ARGS:--M 524288,102400 -s 100 -r 60}
mem_limit=110 swap_limit= pids_limit=4096 shm_size=64
ray= no_ray= mods=() ports=() limits=()
since 2026-04 || action=start

help_line() { since "$1" && printf '  %-18s %s\n' "$2" "$3"; }
usage() {
    echo "Usage: $0 [options] [action] [command]"
    help_line 2025-12 "-n, --nodes" "Comma-separated list of node IPs, head first"
    help_line 2025-12 "-t" "Docker image name (default: vllm-node)"
    help_line 2025-12 "--name" "Container name (default: vllm_node)"
    help_line 2025-12 "--eth-if" "Ethernet interface"
    help_line 2025-12 "--ib-if" "InfiniBand interface"
    help_line 2026-02 "-e, --env" "Environment variable for the container (-e VAR=val)"
    help_line 2026-02 "-j" "Number of parallel build jobs"
    help_line 2025-12 "--nccl-debug" "NCCL debug level: VERSION, WARN, INFO, TRACE"
    help_line 2025-12 "--apply-mod" "Directory or zip file with run.sh to apply before launch"
    help_line 2026-04 "--launch-script" "Bash script to copy into the container and run"
    help_line 2025-12 "--check-config" "Check the configuration without launching"
    help_line 2026-04 "--solo" "This node only"
    help_line 2026-04 "--master-port" "Port for cluster coordination (default: 29501)"
    help_line 2026-08 "-p, --publish" "Publish a container port (solo only)"
    help_line 2026-08 "-v, --volume" "Extra bind mount"
    help_line 2026-08 "--ray" "Use Ray for a multi-node launch"
    help_line 2026-04 "--no-ray" "Multi-node launch without Ray"
    help_line 2026-04 "--no-cache-dirs" "Do not mount the compile caches"
    help_line 2026-08 "--keep-entrypoint" "Keep the image's entrypoint"
    help_line 2026-08 "--earlyoom" "Run earlyoom as the container's first process"
    help_line 2026-08 "--earlyoom-args" "Arguments for earlyoom"
    help_line 2026-08 "--apply-vllm-pr" "Patch vLLM with a pull request at launch"
    help_line 2026-04 "--non-privileged" "No --privileged, no --ipc=host"
    help_line 2026-04 "--mem-limit-gb" "Memory limit (with --non-privileged)"
    help_line 2026-04 "--mem-swap-limit-gb" "Memory and swap limit (with --non-privileged)"
    help_line 2026-04 "--pids-limit" "Process limit (with --non-privileged)"
    help_line 2026-04 "--shm-size-gb" "Shared memory (with --non-privileged)"
    help_line 2026-04 "--config" "Path to the .env file"
    help_line 2026-04 "--setup/--discover" "Force discovery"
    help_line 2025-12 "-d" "Daemon mode"
    help_line 2025-12 "action" "start | stop | status | exec"
    exit 1
}

unknown() {
    if since 2026-04; then
        echo "Error: Unknown argument or action: $1"
        usage
    fi
    action=exec command="$*" # the January trap: any other word is a command to run
}

while [ $# -gt 0 ]; do
    word=$1
    case $word in
    -e | --env | -j | --solo | --launch-script | --master-port | --head-port | --no-ray | --no-cache-dirs | \
        --non-privileged | --mem-limit-gb | --mem-swap-limit-gb | --pids-limit | --shm-size-gb | --config | --setup | --discover)
        since 2026-04 || { unknown "$@" && break; } ;;
    -p | --publish | -v | --volume | --ray | --keep-entrypoint | --earlyoom | --earlyoom-args | --apply-vllm-pr)
        since 2026-08 || { unknown "$@" && break; } ;;
    esac
    case $word in
    -n | --nodes) nodes=$2 && shift ;;
    -t) image=$2 && shift ;;
    --name) name=$2 && shift ;;
    --eth-if) eth_if=$2 && shift ;;
    --ib-if) ib_if=$2 && shift ;;
    -e | --env) docker_args+=" -e $2" && shift ;;
    -v | --volume) docker_args+=" -v $2" && shift ;;
    -j) docker_args+=" -e MAX_JOBS=$2" && shift ;;
    -p | --publish) ports+=("$2") && shift ;;
    --apply-mod) mods+=("$2") && shift ;;
    --apply-vllm-pr) shift ;;
    --launch-script) script=$2 && shift ;;
    --nccl-debug)
        nccl_debug=INFO
        [[ $2 =~ ^(VERSION|WARN|INFO|TRACE)$ ]] && nccl_debug=$2 && shift ;;
    --master-port | --head-port) master_port=$2 && shift ;;
    --config) config=$2 && shift ;;
    --setup | --discover) refuse "Error: discovery is not part of this Spark; write a .env file." ;;
    --check-config) check=1 ;;
    --solo) solo=1 ;;
    --ray) ray=1 ;;
    --no-ray) no_ray=1 ;;
    --no-cache-dirs) no_cache_dirs=1 ;;
    --keep-entrypoint) keep_entrypoint=1 ;;
    --earlyoom) earlyoom=1 ;;
    --earlyoom-args) earlyoom=1 earlyoom_args=$2 && shift ;;
    --non-privileged) unprivileged=1 ;;
    --mem-limit-gb) limits+=("$word") mem_limit=$2 && shift ;;
    --mem-swap-limit-gb) limits+=("$word") swap_limit=$2 && shift ;;
    --pids-limit) limits+=("$word") pids_limit=$2 && shift ;;
    --shm-size-gb) limits+=("$word") shm_size=$2 && shift ;;
    -d) daemon=1 ;;
    -h | --help) usage ;;
    start | stop | status)
        [ -n "$script" ] && refuse "Error: Action '$word' is not compatible with --launch-script. Please omit the action or not use --launch-script."
        action=$word ;;
    exec)
        [ -n "$script" ] && refuse "Error: Action 'exec' is not compatible with --launch-script. Please omit the action or not use --launch-script."
        action=exec
        shift
        if since 2026-04; then command=$(printf '%q ' "$@"); else command="$*"; fi
        break ;;
    *)
        unknown "$@"
        break ;;
    esac
    shift
done

read_env() {
    local file=${config:-$here/.env} key value
    [ -f "$file" ] || { [ -n "$config" ] && refuse "Error: Config file not found: $config" || return; }
    echo "Loading configuration from .env file..."
    if grep -Evq '^[[:space:]]*(#.*)?$|^[[:space:]]*[A-Za-z_][A-Za-z0-9_]*[[:space:]]*=' "$file"; then
        refuse "Error: Invalid .env file syntax. Aborting."
    fi
    local loaded=
    while IFS='=' read -r key value || [ -n "$key" ]; do
        key=${key//[[:space:]]/}
        [[ -z $key || $key == \#* ]] && continue
        value=${value%\"} value=${value#\"} value=${value%\'} value=${value#\'}
        loaded+="DOTENV_$key "
        case $key in
        CLUSTER_NODES) nodes=${nodes:-$value} ;;
        ETH_IF) eth_if=${eth_if:-$value} ;;
        IB_IF) ib_if=${ib_if:-$value} ;;
        LOCAL_IP) local_ip=$value ;;
        MASTER_PORT) [ "$master_port" = 29501 ] && master_port=$value ;;
        CONTAINER_NAME) [ "$name" = vllm_node ] && name=$value ;;
        CONTAINER_*)
            docker_args+=" -e ${key#CONTAINER_}=$value"
            added+=("${key#CONTAINER_}") ;;
        esac
    done <"$file"
    echo "Loaded .env variables: $loaded"
    for key in "${added[@]}"; do echo "Adding container env: $key"; done
}
since 2026-04 && read_env

[ -z "$unprivileged" ] && [ ${#limits[@]} -gt 0 ] && refuse "Error: ${limits[0]} can only be used with --non-privileged"
[ -n "$ray" ] && [ -n "$no_ray" ] && refuse "Error: --ray and --no-ray are mutually exclusive."
[ -n "$nccl_debug" ] && docker_args+=" -e NCCL_DEBUG=$nccl_debug"
cache_dirs=()
if since 2026-04 && [ -z "$no_cache_dirs" ]; then
    for folder in .cache/vllm .cache/flashinfer .triton .tilelang; do
        docker_args+=" -v $HOME/$folder:/root/$folder"
        cache_dirs+=("$HOME/$folder")
    done
fi
if [ -n "$script" ]; then
    [ -f "$script" ] || { [ -f "$here/examples/$script" ] && script=$here/examples/$script; }
    [ -f "$script" ] || refuse "Error: Launch script '$script' not found."
    script=$(realpath "$script")
    echo "Using launch script: $script"
    action=exec command=/workspace/exec-script.sh
fi
for mod in "${mods[@]}"; do
    [ -e "$mod" ] || refuse "Error: Mod path '$mod' does not exist."
    [ ! -d "$mod" ] || [ -f "$mod/run.sh" ] || refuse "Error: Mod directory '$mod' must contain 'run.sh'."
done

find_interfaces() {
    [ -n "$eth_if" ] && [ -n "$ib_if" ] && return
    echo "Auto-detecting interfaces..."
    ib_if=${ib_if:-$(ibdev2netdev | awk '/Up\)/ { print $1 }' | paste -sd,)}
    eth_if=${eth_if:-$(ibdev2netdev | awk '/Up\)/ { print $5 }' | grep -v P | head -n 1)}
    [ -n "$ib_if" ] || refuse "Error: No active IB interfaces found."
    echo "  Detected IB_IF: $ib_if"
    echo "  Detected ETH_IF: $eth_if"
}

if [ -n "$solo" ]; then
    head=${local_ip:-127.0.0.1} nodes=${local_ip:-127.0.0.1}
    echo "Solo mode enabled. Skipping node detection."
else
    find_interfaces
    if [ -z "$local_ip" ]; then
        local_ip=$(ip -o -f inet addr show "$eth_if" | awk '{ print $4 }' | head -n 1)
        local_ip=${local_ip%/*}
        echo "  Detected Local IP: $local_ip"
    fi
    head=$local_ip
    [ -n "$nodes" ] || refuse "Error: Nodes argument (-n) is mandatory or could not be auto-detected."
fi
IFS=', ' read -r -a all <<<"$nodes"
workers=() found=
for node in "${all[@]}"; do
    if [ "$node" = "$head" ]; then found=1; else workers+=("$node"); fi
done
[ -n "$found" ] || refuse "Error: Local IP ($head) is not in the list of nodes ($nodes)."
if since 2026-04 && [ -z "$solo" ] && [ ${#workers[@]} -eq 0 ]; then
    echo "Only local node detected/configured. Activating solo mode (no Ray cluster)."
    solo=1
fi
if [ -n "$solo" ]; then
    [ -n "$ray" ] && refuse "Error: --ray is incompatible with --solo or a single-node configuration."
    [ -n "$no_ray" ] && since 2026-08 && refuse "Error: --no-ray is incompatible with --solo or a single-node configuration."
elif [ ${#ports[@]} -gt 0 ]; then
    refuse "Error: -p/--publish port forwarding is only supported in solo mode. Use --solo or remove port mappings for cluster mode."
fi
# Without Ray by default since July; before, --no-ray asked for it; in January there was only Ray.
with_ray=1
{ since 2026-08 && [ -z "$ray" ]; } || [ -n "$no_ray" ] || [ -n "$solo" ] && with_ray=

echo "Head Node: $head"
echo "Worker Nodes: ${workers[*]}"
echo "Container Name: $name"
echo "Image Name: $image"
echo "Action: $action"

far() { ssh -o BatchMode=yes -o ConnectTimeout=5 -o StrictHostKeyChecking=no "$@"; }
if [[ $action == start || $action == exec || -n $check ]] && [ ${#workers[@]} -gt 0 ]; then
    echo "Checking SSH connectivity to worker nodes..."
    for worker in "${workers[@]}"; do
        far "$worker" true 2>/dev/null || refuse "Error: Passwordless SSH to $worker failed."
        echo "  SSH to $worker: OK"
    done
fi
if [ -n "$check" ]; then
    echo "Configuration Check Complete."
    echo "  Image Name: $image"
    echo "  ETH Interface: $eth_if"
    echo "  IB Interface: $ib_if"
    echo "  Docker Args: $docker_args"
    exit 0
fi
if [ -z "$action" ]; then
    echo "Error: No action specified. Use: start | stop | status | exec"
    usage
fi
source "$here/launch-actions.sh"
