# start, stop, status and exec of a simulated Spark's launcher; read by launch-cluster.sh.

stop_cluster() {
    trap finish EXIT
    trap - INT TERM HUP
    if [ -n "$was_running" ]; then
        echo "Cluster was already running when script started. Skipping cleanup."
        return
    fi
    echo
    echo "Stopping cluster..."
    echo "Stopping head node ($head)..."
    docker stop "$name" >/dev/null 2>&1
    for worker in "${workers[@]}"; do
        echo "Stopping worker node ($worker)..."
        ssh "$worker" "docker stop $name" >/dev/null 2>&1
    done
    echo "Cluster stopped."
}

show_status() {
    echo "Checking status..."
    if docker ps | grep -q "$name"; then
        echo "[HEAD] $head: Container '$name' is RUNNING."
        if [ -n "$with_ray" ]; then
            echo "--- Ray Status ---"
            docker exec "$name" ray status || echo "Failed to get ray status."
            echo "------------------"
        fi
    else
        echo "[HEAD] $head: Container '$name' is NOT running."
    fi
    for worker in "${workers[@]}"; do
        if ssh "$worker" "docker ps | grep -q '$name'"; then
            echo "[WORKER] $worker: Container '$name' is RUNNING."
        else
            echo "[WORKER] $worker: Container '$name' is NOT running."
        fi
    done
}

# The first so many nodes are enough when the command says how many it wants.
trim_nodes() {
    local text=$command size=1 given= flag value
    [ -n "$script" ] && text=$(<"$script")
    text=${text//=/ }
    for flag in "-tp|--tensor-parallel-size" "-pp|--pipeline-parallel-size" "-dp|--data-parallel-size"; do
        value=$(grep -oE -- "(^|[[:space:]])($flag)[[:space:]]+[0-9]+" <<<"$text" | tail -n 1 | grep -oE '[0-9]+$')
        [ -n "$value" ] && given=1 && size=$((size * value))
    done
    local have=$((1 + ${#workers[@]}))
    [ -z "$given" ] || [ ${#workers[@]} -eq 0 ] && return
    if [ $size -gt $have ]; then
        refuse "Error: Command requires $size nodes but only $have node(s) are configured."
    elif [ $size -lt $have ]; then
        echo "Note: Command requires $size node(s); using $size of $have configured node(s)."
        workers=("${workers[@]:0:$((size - 1))}")
    fi
}

look_for_running() {
    if docker ps --format '{{.Names}}' | grep -q "^$name$"; then
        echo "Warning: Container '$name' is already running on head node ($head)."
        was_running=1
    fi
    for worker in "${workers[@]}"; do
        if ssh "$worker" "docker ps --format '{{.Names}}' | grep -q '^$name$'"; then
            echo "Warning: Container '$name' is already running on worker node ($worker)."
            was_running=1
        fi
    done
    [ -n "$was_running" ] && echo "Cluster containers are already running. Skipping launch."
}

check_images() {
    local mine theirs
    echo "Verifying Docker image consistency across cluster nodes..."
    mine=$(docker image inspect --format '{{.Id}}' "$image" 2>/dev/null)
    [ -n "$mine" ] || refuse "Error: Could not inspect image '$image' on head node $head."
    echo "  [HEAD] $head: $mine"
    for worker in "${workers[@]}"; do
        theirs=$(far "$worker" "docker image inspect --format '{{.Id}}' $image" 2>/dev/null)
        [ -n "$theirs" ] || refuse "Error: Could not inspect image '$image' on worker node $worker."
        if [ "$theirs" != "$mine" ]; then
            echo "  [WORKER] $worker: $theirs (mismatch)"
            echo "Error: Docker image mismatch on worker node $worker."
            refuse "Error: Cluster launch aborted because image '$image' is not in sync."
        fi
        echo "  [WORKER] $worker: $theirs (match)"
    done
    echo "Docker image consistency check passed."
}

node_env() {
    local pair
    for pair in VLLM_HOST_IP="$1" RAY_NODE_IP_ADDRESS="$1" MN_IF_NAME="$eth_if" UCX_NET_DEVICES="$eth_if" \
        NCCL_SOCKET_IFNAME="$eth_if" NCCL_IB_HCA="$ib_if" NCCL_IB_DISABLE=0 GLOO_SOCKET_IFNAME="$eth_if" \
        TP_SOCKET_IFNAME="$eth_if" RAY_memory_monitor_refresh_ms=0; do
        printf -- '-e %s ' "$pair"
    done
}

apply_mods() {
    local mod base place=$1 prefix=
    [ "$place" = "$head" ] || prefix="far $place"
    for mod in "${mods[@]}"; do
        base=$(basename "$mod")
        echo "Applying mod '$base' to $place..."
        $prefix docker exec -w / "$name" mkdir -p "/workspace/mods/$base"
        if [ -n "$prefix" ]; then
            local remote="/tmp/vllm_mod_pkg_$RANDOM$RANDOM"
            far "$place" "mkdir -p $remote" && scp -q -r "$mod"/* "$place:$remote/"
            far "$place" "docker cp $remote/. $name:/workspace/mods/$base/ && rm -rf $remote"
        else
            docker cp "$mod/." "$name:/workspace/mods/$base/"
        fi
        echo "  Running patch script on $place..."
        local run="cd /workspace/mods/$base && chmod +x run.sh && ./run.sh"
        [ -n "$prefix" ] && run="\"$run\""
        $prefix docker exec "$name" bash -c "$run" || refuse "Error: Patch script failed on $place"
    done
}

copy_script() {
    local place=$1 file=$2
    echo "Copying launch script to $place..."
    if [ "$place" = "$head" ]; then
        docker cp "$file" "$name:/workspace/exec-script.sh" && docker exec -w / "$name" chmod +x /workspace/exec-script.sh
    else
        local remote="/tmp/vllm_script_$RANDOM$RANDOM.sh"
        scp -q "$file" "$place:$remote"
        far "$place" "docker cp $remote $name:/workspace/exec-script.sh && docker exec -w / $name chmod +x /workspace/exec-script.sh; rm -f $remote"
    fi
}

# What a node adds to the command of a launch without Ray.
node_flags() {
    echo "--nnodes $((1 + ${#workers[@]})) --node-rank $1 --master-addr $head --master-port $master_port"
}

without_backend() { sed -E 's/--distributed-executor-backend(=|[[:space:]]+)[^[:space:]]+//g'; }

copy_scripts() {
    local rank=0 place patched headless
    for place in "$head" "${workers[@]}"; do
        patched=$(mktemp)
        without_backend <"$script" >"$patched"
        if [ -z "$with_ray" ] && [ ${#workers[@]} -gt 0 ]; then
            [ $rank -gt 0 ] && headless=" --headless"
            sed -i "\$ s|\$| $(node_flags $rank)$headless|" "$patched"
        fi
        [ -n "$with_ray" ] && [ $rank -gt 0 ] || copy_script "$place" "$patched"
        rm -f "$patched"
        rank=$((rank + 1))
    done
}

start_cluster() {
    look_for_running
    [ -n "$was_running" ] && return
    since 2026-08 && [ ${#workers[@]} -gt 0 ] && check_images
    local first="sleep infinity" network="--network host" rights="--privileged --ipc=host" mapping
    [ -n "$earlyoom" ] && first="earlyoom $earlyoom_args"
    [ ${#ports[@]} -gt 0 ] && network=$(printf -- '-p %s ' "${ports[@]}")
    [ -n "$unprivileged" ] && rights="--cap-add=IPC_LOCK --shm-size=${shm_size}g --device=/dev/infiniband --memory ${mem_limit}g --memory-swap ${swap_limit:-$((mem_limit + 10))}g --pids-limit $pids_limit"
    since 2026-08 && rights+=" --ulimit nofile=${VLLM_SPARK_NOFILE_LIMIT:-1048576}" && [ -z "$keep_entrypoint" ] && rights+=" --entrypoint="
    local common="--gpus all -d --rm $network --name $name $docker_args $image"
    [ ${#cache_dirs[@]} -gt 0 ] && mkdir -p "${cache_dirs[@]}"
    echo "Starting Head Node on $head..."
    # Unquoted on purpose: a value with a space breaks here, as it does in the original.
    if since 2026-04; then
        docker run $rights $(node_env "$head") $common $first
    else
        docker run $rights $common ./run-cluster-node.sh --role head --host-ip "$head" --eth-if "$eth_if" --ib-if "$ib_if"
    fi
    for worker in "${workers[@]}"; do
        echo "Starting Worker Node on $worker..."
        [ ${#cache_dirs[@]} -gt 0 ] && ssh "$worker" "mkdir -p ${cache_dirs[*]}"
        if since 2026-04; then
            ssh "$worker" "docker run $rights $(node_env "$worker") $common $first"
        else
            ssh "$worker" "docker run $rights $common ./run-cluster-node.sh --role node --host-ip $worker --eth-if $eth_if --ib-if $ib_if --head-ip $head"
        fi
    done
    if [ ${#mods[@]} -gt 0 ]; then
        echo "Applying modifications to cluster nodes..."
        for place in "$head" "${workers[@]}"; do apply_mods "$place"; done
    fi
    [ -n "$script" ] && copy_scripts
    if [ -n "$with_ray" ]; then
        since 2026-04 && start_ray
        wait_for_ray
    else
        sleep "$pause"
    fi
}

start_ray() {
    echo "Starting Ray HEAD node on $head..."
    docker exec -d "$name" bash -c "ray start --block --head --port $master_port --node-ip-address $head >> /proc/1/fd/1 2>&1"
    for worker in "${workers[@]}"; do
        echo "Starting Ray WORKER node on $worker..."
        far "$worker" "docker exec -d $name bash -c 'ray start --block --address=$head:$master_port --node-ip-address $worker >> /proc/1/fd/1 2>&1'"
    done
}

wait_for_ray() {
    local tries
    echo "Waiting for cluster to be ready..."
    for ((tries = 0; tries < 30; tries++)); do
        if docker exec "$name" ray status >/dev/null 2>&1; then
            echo "Cluster head is responsive."
            sleep "$pause"
            return
        fi
        sleep 2
    done
    refuse "Timeout waiting for cluster to start."
}

# The exit code of a failed docker exec -d is lost here, as it is in the original.
run_on_head() {
    local flags=-i
    if [ -n "$daemon" ] && since 2026-04; then
        docker exec -d "$name" bash -c "$1 >> /proc/1/fd/1 2>&1"
        echo "Command dispatched in background (Daemon mode). Container: $name"
        return
    fi
    [ -t 0 ] && flags=-it
    if since 2026-04; then
        docker exec $flags "$name" bash -c "$1"
    else
        docker exec $flags "$name" bash -i -c "$1"
    fi
}

run_everywhere() {
    local clean rank=1 payload far_command head_command
    clean=$(without_backend <<<"$1")
    for worker in "${workers[@]}"; do
        payload="$clean $(node_flags $rank) --headless"
        [ -n "$script" ] && payload=$1
        echo "Launching worker (rank $rank) on $worker..."
        printf -v far_command 'docker exec -d %q bash -c %q' "$name" "$payload >> /proc/1/fd/1 2>&1"
        far "$worker" "$far_command" || refuse "Error: Failed to launch worker (rank $rank) on $worker."
        rank=$((rank + 1))
    done
    head_command="$clean $(node_flags 0)"
    [ -n "$script" ] && head_command=$1
    echo "Executing command on head node (rank 0): $head_command"
    if [ -n "$daemon" ]; then
        # Without Ray a failed dispatch is told, unlike everywhere else.
        docker exec -d "$name" bash -c "$head_command >> /proc/1/fd/1 2>&1" || refuse "Error: Failed to launch the command on the head node."
        echo "Command dispatched in background (Daemon mode). Container: $name"
    else
        docker exec -i "$name" bash -c "$head_command"
    fi
}

execute() {
    since 2026-04 && [ -z "$solo" ] && trim_nodes
    [ ${#workers[@]} -eq 0 ] && since 2026-04 && with_ray=
    if [ -n "$with_ray" ] && since 2026-08 && [[ $command == *"vllm serve"* && $command != *--distributed-executor-backend* ]]; then
        echo "Adding --distributed-executor-backend ray for Ray mode." >&2
        command+=" --distributed-executor-backend ray"
    fi
    start_cluster
    if since 2026-04; then echo "Executing command: $command"; else echo "Executing command on head node: $command"; fi
    if [ -z "$with_ray" ] && [ ${#workers[@]} -gt 0 ] && { [ -n "$script" ] || [[ $command == *"vllm serve"* ]]; }; then
        run_everywhere "$command"
    else
        run_on_head "$command"
    fi
}

case $action in
stop)
    stop_cluster
    exit 0 ;;
status)
    show_status
    exit 0 ;;
esac
# In January an exec took the cluster down at its end even with -d.
if [ -z "$daemon" ] || { [ "$action" = exec ] && ! since 2026-04; }; then
    trap 'code=$?; stop_cluster; finish; trap - EXIT; exit $code' EXIT
    trap 'exit 130' INT TERM HUP
fi
case $action in
exec) execute ;;
start)
    start_cluster
    if [ -n "$daemon" ]; then
        echo "Cluster started in background (Daemon mode)."
    else
        echo "Cluster started. Tailing logs from head node..."
        echo "Press Ctrl+C to stop the cluster."
        docker logs -f "$name" &
        wait $!
    fi ;;
esac
