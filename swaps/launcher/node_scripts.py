"""The bash texts that run on a Spark. Constants: values come in as $1, $2, ... and nothing is ever pasted into them.

Only bash, docker, coreutils, util-linux (flock, setsid) and iproute2 (ss) are asked for. State of ours lives under
~/.spark-control/SLOT/.
"""

import re

# $1 slot, $2 fence, then the inner command. Exit 73 state unusable, 74 lock busy, 75 stale fence; else the inner exit.
# `9>&-`: a detached child that kept fd 9 would hold the lock and block every later call (reliability.md 1.3, measured).
_FENCE_HEAD = """\
spark_slot=$1 spark_fence=$2
shift 2
spark_dir=${HOME:?}/.spark-control/$spark_slot
(umask 077 && mkdir -p -- "$spark_dir") || exit 73
exec 9>>"$spark_dir/lock" || exit 73
flock -w 20 9 || { echo "another command of this slot is still running" >&2; exit 74; }
spark_now=
[ ! -s "$spark_dir/fence" ] || read -r spark_now <"$spark_dir/fence"
case ${spark_now:=0} in
  *[!0-9]*) echo "the fence file of slot $spark_slot is damaged: remove $spark_dir/fence" >&2; exit 73 ;;
esac
if [ "$spark_fence" -lt "$spark_now" ]; then
  echo "stale fence $spark_fence: this Spark already obeys $spark_now" >&2
  exit 75
fi
if [ "$spark_fence" -gt "$spark_now" ] || [ ! -s "$spark_dir/fence" ]; then
  printf '%s\\n' "$spark_fence" >"$spark_dir/fence.new" && sync -- "$spark_dir/fence.new" &&
    mv -f -- "$spark_dir/fence.new" "$spark_dir/fence" || exit 73
fi
"""


def fenced(inner: str | None) -> str:
    """The fence check around an inner script, or around the words $3... when `inner` is None."""
    return _FENCE_HEAD + ('"$@" 9>&-\n' if inner is None else f"(\n{inner}\n) 9>&-\n")


RAISE_FENCE = 'echo "$spark_fence"'

# $1 slot
READ_FENCE = """\
fence=
[ ! -s "${HOME:?}/.spark-control/$1/fence" ] || read -r fence <"$HOME/.spark-control/$1/fence"
echo "${fence:-0}"
"""

_LAUNCHER = """\
launcher=$1
shift
case $launcher in "~/"*) launcher=${HOME:?}/${launcher#"~/"} ;; esac
cd -- "${launcher%/*}" || exit 66
"""

# $1 slot, $2 swap id, $3 step name, $4 seconds, $5 launcher, $6... its arguments.
# In a session of its own with its output in a file: when the SSH connection drops, a launcher writing to a dead pipe
# would die half-way, with a container up and no vLLM in it.
LAUNCH = (
    """\
log=${HOME:?}/.spark-control/$1/swap-$2-$3.log limit=$4
(umask 077 && mkdir -p -- "${log%/*}") || exit 73
find "${log%/*}" -maxdepth 1 -name 'swap-*.log*' -mtime +14 -delete 2>/dev/null
shift 4
"""
    + _LAUNCHER
    + """\
setsid timeout -k 5 "$limit" "$launcher" "$@" </dev/null >"$log" 2>&1 &
echo "$!" >"${log%/*}/launcher.pid"
wait "$!"
code=$?
rm -f -- "${log%/*}/launcher.pid"
echo "$code" >"$log.exit"
tail -c 65536 -- "$log"
exit "$code"
"""
)

# $1 slot. Ends a launcher that still runs, with all it started in its session. Its number may be another program's by
# now, so only a `timeout` as LAUNCH starts it is meant. `timeout` hands the signal on, and kills what does not heed it.
END_LAUNCHER = """\
read -r pid 2>/dev/null <"${HOME:?}/.spark-control/$1/launcher.pid" || exit 0
mapfile -d '' -t words 2>/dev/null <"/proc/$pid/cmdline" || exit 0
[ "${words[*]:0:3}" = "timeout -k 5" ] || exit 0
kill -TERM "$pid"
"""

# Like LAUNCH, for a launcher whose exec stays in the foreground for as long as vLLM lives: leave it running.
LAUNCH_FOREGROUND = (
    """\
log=${HOME:?}/.spark-control/$1/swap-$2-$3.log limit=$4
(umask 077 && mkdir -p -- "${log%/*}") || exit 73
find "${log%/*}" -maxdepth 1 -name 'swap-*.log*' -mtime +14 -delete 2>/dev/null
shift 4
"""
    + _LAUNCHER
    + """\
: >"$log" || exit 73
setsid nohup "$launcher" "$@" </dev/null >>"$log" 2>&1 &
child=$!
for _ in 1 2 3 4 5; do
  sleep 0.2
  if ! kill -0 "$child" 2>/dev/null; then
    wait "$child"
    code=$?
    tail -c 65536 -- "$log"
    exit "$((code ? code : 1))"
  fi
done
echo "launcher left running, its output goes to $log"
"""
)

# $1 launcher. The usage text is printed with exit status 1, which is no failure here.
LAUNCHER_HELP = (
    _LAUNCHER
    + """\
[ -x "$launcher" ] || { echo "no launcher that can be run at $launcher" >&2; exit 127; }
timeout -k 5 10 "$launcher" --help </dev/null 2>&1
code=$?
[ "$code" -le 1 ] || exit "$code"
"""
)

_CONTAINER = """\
container=$1
facts=$(docker container inspect --format '{{.Name}} {{.State.Running}} {{.State.Pid}} {{json .Config.Labels}}' \\
  "$container" 2>&1)
code=$?
"""

# Which processes of a container are vLLM's, from `docker top`: column PID by name, then the command text. vLLM names
# its processes VLLM::..., its parent is `vllm serve`, also as `python3 .../vllm serve` or an api_server module.
_VLLM_PIDS = """\
vllm_pids() {
  local column= line fields
  docker top "$container" 2>/dev/null | while read -r line; do
    read -ra fields <<<"$line"
    if [ -z "$column" ]; then
      for column in "${!fields[@]}"; do [ "${fields[column]}" != PID ] || break; done
      continue
    fi
    case $line in *VLLM::* | *"vllm serve"* | *vllm.entrypoints*) echo "${fields[column]}" ;; esac
  done
}
"""

# $1 container, $2 grace in seconds, $3 "remove" or "keep", $4 "own" or "any". Exit 76: not ours, with "own".
# The launcher's PID 1 is `sleep`, which ignores SIGTERM, so `docker stop` alone waits 10 s and then kills vLLM with its
# memory mapped. vLLM is asked first, by the process ids it has inside the container (NSpid, last column).
STOP_CONTAINER = (
    _CONTAINER
    + _VLLM_PIDS
    + """\
grace=$2 left=$3
absent() {
  if docker ps -a --format '{{.Names}}' 2>&1 | grep -Fxq -- "$container"; then return 1; fi
  docker ps -q >/dev/null
}
inner_pid() {
  while read -r key rest; do
    [ "$key" != NSpid: ] || { echo "${rest##*[[:space:]]}"; return; }
  done <"/proc/$1/status" 2>/dev/null
  echo "$1"
}
alive() {
  local pid key state rest
  for pid in $pids; do
    while read -r key state rest; do
      [ "$key" != State: ] || { [ "$state" = Z ] || return 0; break; }
    done 2>/dev/null <"/proc/$pid/status"
  done
  return 1
}
tell() {
  local pid
  set --
  for pid in $pids; do set -- "$@" "$(inner_pid "$pid")"; done
  timeout -k 1 5 docker exec "$container" \\
    sh -c 's=$1; shift; kill "-$s" "$@" 2>/dev/null; :' kill "$signal" "$@" >/dev/null 2>&1
}
if [ "$code" -ne 0 ]; then
  absent || { echo "$facts" >&2; exit 1; }
  echo "container $container: absent"
  exit 0
fi
read -r name running main labels <<<"$facts"
if [ "$name" != "/$container" ]; then
  echo "container $container: absent"
  exit 0
fi
case $labels in *'"sparkcontrol.swap"'*) left=remove ;; esac # ours: no launcher may find it in its way
if [ "$4" = own ] && [[ $labels != *'"sparkcontrol.swap"'* ]]; then # whose it is: outsiders.py
  case $(docker container inspect --format '{{.Path}}{{range .Args}} {{.}}{{end}}' "$container") in
    *"sleep infinity" | earlyoom* | */earlyoom* | *" earlyoom "* | *run-cluster-node.sh*) ;;
    *) echo "$container was not started by Spark Control" >&2; exit 76 ;;
  esac
fi
if [ "$running" = true ]; then
  wait_seconds=0
  pids=$(vllm_pids)
  case " ${pids//$'\\n'/ } " in
    *" $main "*) wait_seconds=$grace; echo "vLLM is the main process: docker stop asks it to end" ;;
    "  ") echo "no vLLM process in $container" ;;
    *)
      signal=TERM
      tell
      tries=$((grace * 10))
      while alive && [ "$tries" -gt 0 ]; do sleep 0.1; tries=$((tries - 1)); done
      if alive; then
        signal=KILL
        tell
        echo "vLLM did not end within $grace s and was killed"
      else
        echo "vLLM ended"
      fi ;;
  esac
  timeout -k 5 "$((wait_seconds + 15))" docker stop -t "$wait_seconds" "$container" >/dev/null 2>&1 || absent || {
    echo "docker could not stop $container" >&2
    exit 1
  }
fi
tries=20 # --rm works after docker stop has answered
until absent || [ "$left" != remove ] || [ "$tries" -eq 0 ]; do sleep 0.1; tries=$((tries - 1)); done
if [ "$left" = remove ] && ! absent; then
  docker rm -f "$container" >/dev/null 2>&1 || absent || { echo "docker could not remove $container" >&2; exit 1; }
fi
echo "container $container: stopped"
"""
)

# One JSON object; environment and arguments are left out, they can hold tokens.
STATE_FORMAT = (
    '{"exists":true,"name":{{json .Name}},"status":{{json .State.Status}},"running":{{json .State.Running}},'
    '"exit_code":{{json .State.ExitCode}},"started_at":{{json .State.StartedAt}},"image_id":{{json .Image}},'
    '"image":{{json .Config.Image}},"labels":{{json .Config.Labels}},'
    '"restart_policy":{{json .HostConfig.RestartPolicy.Name}}}'
)

# $1 container
CONTAINER_STATE = f"""\
if text=$(docker container inspect --format '{STATE_FORMAT}' "$1" 2>&1); then
  printf '%s\\n' "$text"
elif docker ps -a --format '{{{{.Names}}}}' | grep -Fxq -- "$1" || ! docker ps -q >/dev/null; then
  printf '%s\\n' "$text" >&2
  exit 1
else
  echo '{{"exists":false}}'
fi
"""

# $1 container, $2 port. One line `fact value` each.
GONE_CHECK = (
    _VLLM_PIDS
    + """\
container=$1 port=$2
docker ps -q >/dev/null || exit 1
status=$(docker ps -a --format '{{.Names}} {{.Status}}' | while read -r name rest; do
  [ "$name" != "$container" ] || echo "$rest"
done)
echo "container ${status:-absent}"
if [ -n "$status" ]; then echo "vllm_processes $(vllm_pids | grep -c .)"; else echo "vllm_processes 0"; fi
if listening=$(ss -ltnH "sport = :$port"); then
  if [ -n "$listening" ]; then echo "port listening"; else echo "port free"; fi
fi
cat /proc/meminfo | grep -E '^Mem(Total|Available):'
"""
)

_FILE = """\
path=$1
case $path in "~/"*) path=${HOME:?}/${path#"~/"} ;; esac
"""

# $1 path, $2 first line
FOLLOW_FILE = _FILE + 'exec tail -n "+$2" -F -- "$path" 2>/dev/null\n'

# $1 path, $2 number of lines
FILE_TAIL = _FILE + '[ ! -e "$path" ] || tail -n "$2" -- "$path"\n'

# $1 slot, $2 swap id
LAUNCH_OUTPUT = """\
for log in "${HOME:?}/.spark-control/$1/swap-$2-"*.log; do
  [ -e "$log" ] || continue
  tail -c 65536 -- "$log"
  [ ! -e "$log.exit" ] || echo "exit $(cat -- "$log.exit")"
done
"""

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")
