"""The bash texts of the memory guard: a small program that stays on a Spark while a model loads there.

A Spark that runs out of memory stops answering SSH at once and needs its power button (spark-facts.md 5.4), so what
stops a load in time must already run on that Spark. State lives in ~/.spark-control/SLOT/: `guard` holds one line of
what the guard saw, `guard.pid` whose guard it is, and whoever holds the lock on `guard.lock` is the one guard there.

The loops fork nothing: when memory is short, starting even `sleep` may be what fails.
"""

_MEMORY = """\
available_kib=
look() {
  local name value rest
  while read -r name value rest; do
    [ "$name" != MemAvailable: ] || { available_kib=$value; return 0; }
  done </proc/meminfo
  return 1
}
quiet() {
  read -rt "$1" -u "$silence"
  [ "$?" -gt 128 ] || sleep "$1"
}
"""

# $1 directory, $2 key, $3 swap, $4 container, $5 floor in KiB, $6 seconds it may live.
# Only a container with the label of this swap is ever ended, by its id: a guard that was forgotten harms nobody.
# SIGKILL to the first process ends the container at once where we may send it; docker does it everywhere.
_GUARD = """\
say() { printf 'key=%s state=%s available_kib=%s floor_kib=%s pid=%s\\n' "$key" "$1" "$available_kib" "$floor" "$$" \\
  >"$dir/guard"; }
alive() {
  local text
  { read -r text <"/proc/$main/stat"; } 2>/dev/null || return 1
  set -- ${text##*) }
  born=${born:-${20}}
  [ "$1" != Z ] && [ "$1" != X ] && [ "${20}" = "$born" ]
}
find_container() {
  local facts running labels
  facts=$(exec 8>&- 2>/dev/null; timeout -k 1 5 docker container inspect \\
    --format '{{.Id}} {{.State.Running}} {{.State.Pid}} {{json .Config.Labels}}' "$container")
  read -r id running main labels <<<"$facts"
  born=
  [ "$running" = true ] && [[ $labels == *"\\"sparkcontrol.swap\\":\\"$swap\\""* ]] && alive || id=
}
end_container() {
  local try
  for try in 1 2 3 4 5; do
    kill -KILL "$main" 2>/dev/null
    timeout -k 1 5 docker kill "$id" >/dev/null 2>&1 8>&-
    alive || return 0
    quiet 0.5
  done
  return 1
}
guard() {
  dir=$1 key=$2 swap=$3 container=$4 floor=$5
  local ends=$((SECONDS + $6)) turn=0
  id= main= born=
  exec {silence}<> <(:)
  look
  say watching
  while [ "$SECONDS" -lt "$ends" ]; do
    look
    if [ -n "$id" ] && ! alive; then say gone; return; fi
    if [ -z "$id" ] && { [ "$((turn % 5))" -eq 0 ] || [ "$available_kib" -lt "$floor" ]; }; then find_container; fi
    if [ -n "$id" ] && [ "$available_kib" -lt "$floor" ]; then
      say fired
      end_container || say stuck
      return
    fi
    turn=$((turn + 1))
    quiet 0.2
  done
  say late
}
"""

# $1 slot, $2 key, $3 swap, $4 container, $5 floor in KiB, $6 seconds. Prints started, kept, or fired.
# The guard inherits the lock on fd 8 and holds it for as long as it lives. A repetition finds it and leaves it alone.
START_GUARD = (
    _MEMORY
    + _GUARD
    + """\
dir=${HOME:?}/.spark-control/$1 key=$2
(umask 077 && mkdir -p -- "$dir") || exit 73
exec 8>>"$dir/guard.lock" || exit 73
if ! flock -n 8; then
  read -r other pid 2>/dev/null <"$dir/guard.pid"
  [ "$other" != "$key" ] || { echo kept; exit 0; }
  [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null
  flock -w 5 8 || { echo "the guard of $other does not end" >&2; exit 74; }
elif read -r line 2>/dev/null <"$dir/guard" && [[ $line == "key=$key state="[fs]* ]]; then
  echo fired
  exit 0
fi
rm -f -- "$dir/guard.pid"
look || { echo "there is no /proc/meminfo" >&2; exit 1; }
text=$(declare -f look quiet say alive find_container end_container guard)
setsid bash -c "$text; guard \\"\\$@\\"" spark-control-guard "$dir" "$key" "$3" "$4" "$5" "$6" \\
  </dev/null >/dev/null 2>&1 &
printf '%s %s\\n' "$key" "$!" >"$dir/guard.pid" || { kill -KILL "$!"; exit 73; }
echo started
"""
)

# $1 slot, $2 key. The guard of another launch is left alone.
END_GUARD = """\
dir=${HOME:?}/.spark-control/$1
[ -e "$dir/guard.lock" ] || exit 0
exec 8>>"$dir/guard.lock" || exit 73
! flock -n 8 || exit 0
read -r key pid 2>/dev/null <"$dir/guard.pid"
[ "$key" = "$2" ] && [ -n "$pid" ] || exit 0
kill -TERM "$pid" 2>/dev/null
flock -w 5 8 || exit 74
printf 'key=%s state=over\\n' "$2" >"$dir/guard"
"""

# $1 slot, $2 seconds it goes on, 0 for one look. Each second: the memory available, and the guard's line when there is.
WATCH_MEMORY = (
    _MEMORY
    + """\
report=${HOME:?}/.spark-control/$1/guard
exec {silence}<> <(:)
while :; do
  look && echo "available_kib=$available_kib" || exit 1
  if [ -e "$report" ] && read -r line <"$report"; then echo "guard $line"; fi
  [ "$SECONDS" -lt "$2" ] || exit 0
  quiet 1
done
"""
)

# Bytes of the page cache that nothing needs any more are given back; nothing else is touched. The words after
# `sudo -n` are those of the sudoers line in docs/memory.md, to the letter.
DROP_CACHES = """\
timeout -k 1 30 sync
if refusal=$( { echo 3 | timeout -k 1 20 sudo -n /usr/bin/tee /proc/sys/vm/drop_caches >/dev/null; } 2>&1 ); then
  echo dropped
else
  printf 'refused %s\\n' "${refusal//$'\\n'/ }"
fi
"""

# What an idle Spark would have: programs on the GPU, one each line, then the memory. No line `gpu known` when
# nvidia-smi does not say.
MEMORY_LEFT = """\
if apps=$(timeout -k 1 5 nvidia-smi --query-compute-apps=pid --format=csv,noheader 2>/dev/null </dev/null); then
  echo "gpu known"
  printf '%s\\n' "$apps" | sed -n 's/^ *\\([0-9][0-9]*\\).*/gpu_process \\1/p'
fi
cat /proc/meminfo | grep -E '^Mem(Total|Available):'
"""
