"""The bash texts of the docker_run launcher and of containers that others started. Constants, like node_scripts."""

# $1 slot, $2 swap id, $3 step name, $4 seconds, $5 docker, $6 run, then -v MOUNT pairs, then the other words.
# ~/.cache/huggingface stands for what the login user's own tools use. What docker would make as root is made here.
# Secrets never are words: the cache holds the token that `hf auth login` keeps, others stand in ~/.spark-control/env.
DOCKER_RUN = """\
log=${HOME:?}/.spark-control/$1/swap-$2-$3.log limit=$4
(umask 077 && mkdir -p -- "${log%/*}") || exit 73
find "${log%/*}" -maxdepth 1 -name 'swap-*.log*' -mtime +14 -delete 2>/dev/null
shift 6
mounts=()
while [ "$1" = -v ]; do
  source=${2%%:*} inside=${2#*:}
  case $source in
    "~/.cache/huggingface") source=${HF_HOME:-$HOME/.cache/huggingface} ;;
    "~/"*) source=$HOME/${source#"~/"} ;;
  esac
  case $inside in *:ro) ;; *) mkdir -p -- "$source" || exit 73 ;; esac
  mounts+=(-v "$source:$inside")
  shift 2
done
[ -z "$HF_HUB_CACHE" ] || mounts+=(-v "$HF_HUB_CACHE:/root/.cache/huggingface/hub")
[ ! -r "$HOME/.spark-control/env" ] || mounts+=(--env-file "$HOME/.spark-control/env")
setsid timeout -k 5 "$limit" docker run "${mounts[@]}" "$@" </dev/null >"$log" 2>&1 &
wait "$!"
code=$?
echo "$code" >"$log.exit"
tail -c 65536 -- "$log"
exit "$code"
"""
