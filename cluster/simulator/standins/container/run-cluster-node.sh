#!/bin/bash
# What the January image starts as PID 1: a Ray node, head or worker.
while [ $# -gt 0 ]; do
    case "$1" in
    -r | --role) role=$2 ;;
    -h | --host-ip) host=$2 ;;
    -m | --head-ip) head=$2 ;;
    esac
    shift 2
done
export VLLM_HOST_IP=$host RAY_NODE_IP_ADDRESS=$host
if [ "$role" = head ]; then
    exec ray start --block --head --port 6379 --node-ip-address "$host"
fi
exec ray start --block --address="$head:6379" --node-ip-address "$host"
