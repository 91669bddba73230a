"""The bash texts of the docker_run launcher and of containers that others started. Constants, like node_scripts."""

from swaps.launcher.outsiders import BOX_FORMAT

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

# Every container of this Spark, one line of BOX_FORMAT each.
BOXES = f"""\
docker ps -q >/dev/null || exit 1
docker ps -aq --no-trunc | head -n 200 | xargs -r docker container inspect --format '{BOX_FORMAT}' 2>/dev/null
exit 0
"""

_PRESENT = """\
present() {
  docker container inspect "$1" >/dev/null 2>&1 && return 0
  docker ps -q >/dev/null || exit 1
  return 1
}
"""

# $1 container id, $2 grace in seconds, $3 a name to give it, or blank. Safe to repeat. Nothing is removed.
# `docker stop` alone does not keep a container with restart policy `always` down: the next reboot brings it back.
SET_ASIDE = (
    _PRESENT
    + """\
id=$1 grace=$2 aside=$3
if ! present "$id"; then echo absent; exit 0; fi
read -r removed policy <<<"$(docker container inspect \\
  --format '{{.HostConfig.AutoRemove}} {{.HostConfig.RestartPolicy.Name}}' "$id")"
case $removed$policy in
  true* | false | falseno) ;;
  *) docker update --restart=no "$id" >/dev/null || exit 1 ;;
esac
timeout -k 5 "$((grace + 15))" docker stop -t "$grace" "$id" >/dev/null || ! present "$id" || exit 1
tries=50 # --rm works after docker stop has answered
while [ "$removed" = true ] && [ "$tries" -gt 0 ] && present "$id"; do sleep 0.1; tries=$((tries - 1)); done
if [ -n "$aside" ] && present "$id"; then
  name=$(docker container inspect --format '{{.Name}}' "$id")
  [ "$name" = "/$aside" ] || docker rename "$id" "$aside" || exit 1
fi
echo "set aside"
"""
)

# $1 container id, $2 its name, $3 its restart policy, or blank, $4 start or leave. Exit 44: there is none any more.
PUT_BACK = (
    _PRESENT
    + """\
id=$1 name=$2 policy=$3
present "$id" || exit 44
[ "$(docker container inspect --format '{{.Name}}' "$id")" = "/$name" ] || docker rename "$id" "$name" || exit 1
[ "$4" != start ] || docker start "$id" >/dev/null || exit 1
[ -z "$policy" ] || docker update "--restart=$policy" "$id" >/dev/null || exit 1
echo "put back"
"""
)

# $1 start or leave. stdin: base64 of records that end in NUL, a letter and its value each (replacing.records).
# Settings and labels may be secrets: they go through files in memory that nobody else can read, and no argument.
# A value of several lines fits in no such file; docker takes it from its own environment, by name.
RECREATE = """\
for dir in "$XDG_RUNTIME_DIR" /dev/shm; do [ ! -d "$dir" ] || [ ! -w "$dir" ] || break; dir=; done
[ -n "$dir" ] || { echo "there is no folder in memory, such as /dev/shm, for the container's settings" >&2; exit 73; }
umask 077
settings=$(mktemp "$dir/spark-control.XXXXXXXX") && labels=$(mktemp "$dir/spark-control.XXXXXXXX") || exit 73
trap 'rm -f -- "$settings" "$labels"' EXIT
words=() command=() networks=() name= image= image_id=
while IFS= read -r -d '' record; do
  value=${record#?}
  case $record in
    w*) words+=("$value") ;;
    c*) command+=("$value") ;;
    n*) networks+=("$value") ;;
    N*) name=$value ;;
    i*) image=$value ;;
    I*) image_id=$value ;;
    e*$'\\n'*) words+=(-e "${value%%=*}"); export "${value?}" || exit 1 ;;
    e*) printf '%s\\n' "$value" >>"$settings" ;;
    l*$'\\n'*) ;;
    l*) printf '%s\\n' "$value" >>"$labels" ;;
  esac
done < <(base64 -d)
[ -n "$name" ] || { echo "the description of the container did not arrive" >&2; exit 1; }
if ! docker container inspect "$name" >/dev/null 2>&1; then
  [ "$(docker image inspect --format '{{.Id}}' "$image" 2>/dev/null)" = "$image_id" ] || image=$image_id
  words+=(--env-file "$settings" --label-file "$labels" "$image" "${command[@]}")
  docker create "${words[@]}" >/dev/null || exit 1
  for network in "${networks[@]}"; do docker network connect "$network" "$name" || exit 1; done
fi
[ "$1" != start ] || docker start "$name" >/dev/null || exit 1
echo recreated
"""
