"""One round trip that asks a Spark everything a preflight wants to know; node_reports reads the answer.

Lines are `fact value`. A fact that cannot be had is left out: the reader treats it as not known, never as bad.
"""

from swaps.launcher.gpu_users import SCRIPT as GPU_USERS
from swaps.launcher.node_scripts import STATE_FORMAT
from swaps.launcher.outsiders import BOX_FORMAT

# $1 dir. Are the weights whole, by spark-facts.md section 6 (config, every shard of the index resolves, sizes).
_WEIGHTS = """\
weights_in() {
  local dir=$1 index=$1/model.safetensors.index.json shard bytes=0 size missing=0 first= count=0 total=
  if [ ! -e "$dir/config.json" ] && [ ! -e "$dir/params.json" ]; then
    echo "weights incomplete"
    echo "weights_missing config.json"
    return
  fi
  if [ -e "$index" ]; then
    while read -r shard; do
      count=$((count + 1))
      if [ -s "$dir/$shard" ]; then
        size=$(stat -Lc %s -- "$dir/$shard") && bytes=$((bytes + size))
      else
        missing=$((missing + 1))
        first=${first:-$shard}
      fi
    done < <(grep -oE '"[^"/]+\\.safetensors"' -- "$index" | tr -d '"' | sort -u)
    total=$(grep -oE '"total_size": *[0-9]+' -- "$index" | grep -oE '[0-9]+$' | head -n 1)
  else
    for shard in "$dir"/*.safetensors "$dir"/*.bin "$dir"/*.gguf; do
      [ -s "$shard" ] || continue
      count=$((count + 1))
      size=$(stat -Lc %s -- "$shard") && bytes=$((bytes + size))
    done
    [ "$count" -gt 0 ] || { missing=1; first="any weight file"; }
  fi
  if [ "$missing" -gt 0 ] || { [ -n "$total" ] && [ "$bytes" -lt "$total" ]; }; then
    echo "weights incomplete"
    echo "weights_missing ${first:-part of a file}"
  else
    echo "weights complete"
  fi
  echo "weights_bytes $bytes"
  echo "weights_files $count"
}
"""

# Every container there is; BOX_FORMAT says what is asked of each.
BOXES = f"""\
boxes() {{
  timeout -k 1 10 docker ps -aq --no-trunc 2>/dev/null | head -n 200 |
    xargs -r timeout -k 1 10 docker container inspect --format '{BOX_FORMAT}' 2>/dev/null | sed 's/^/box /'
}}
"""

# $1 container, $2 port, $3 image, $4 launcher, $5 slot, $6 models--ORG--NAME, $7 local path, $8... mods
PREFLIGHT = (
    _WEIGHTS
    + BOXES
    + GPU_USERS
    + f"""\
container=$1 port=$2 image=$3 launcher=$4 slot=$5 folder=$6 local_path=$7
shift 7
case $launcher in "~/"*) launcher=${{HOME:?}}/${{launcher#"~/"}} ;; esac
dir=${{launcher%/*}}

if [ -x "$launcher" ]; then echo "launcher present"
elif [ -e "$launcher" ]; then echo "launcher not-executable"
else echo "launcher absent"; fi
if [ -r "$dir/.env" ]; then
  grep -E '^ *CONTAINER_NAME=' -- "$dir/.env" | tail -n 1 | tr -d "\\"' \\r" |
    sed 's/^CONTAINER_NAME=/env_container /'
fi
for mod in "$@"; do
  case $mod in *.zip) file=$dir/$mod ;; *) file=$dir/$mod/run.sh ;; esac
  [ -f "$file" ] || echo "mod_absent $mod"
done

if ! command -v docker >/dev/null; then
  echo "docker absent"
elif problem=$(timeout -k 1 10 docker ps -q 2>&1 >/dev/null); then
  echo "docker ok"
  if id=$(timeout -k 1 10 docker image inspect --format '{{{{.Id}}}}' "$image" 2>/dev/null); then
    echo "image $id"
  else
    echo "image absent"
  fi
  if state=$(timeout -k 1 10 docker container inspect --format '{STATE_FORMAT}' "$container" 2>/dev/null); then
    echo "container $state"
  else
    echo 'container {{"exists":false}}'
  fi
  boxes
  if timeout -k 1 10 docker info --format '{{{{json .Runtimes}}}}' 2>/dev/null | grep -q nvidia ||
    command -v nvidia-ctk nvidia-container-runtime-hook >/dev/null; then echo "gpu_runtime yes"
  else echo "gpu_runtime no"; fi
else
  echo "docker failed"
  printf '%s\\n' "$problem" | head -n 1 | sed 's/^/docker_problem /'
fi
gpu_users

if listening=$(ss -ltnHp "sport = :$port" 2>/dev/null); then
  if [ -n "$listening" ]; then printf '%s\\n' "$listening" | head -n 1 | sed 's/^/port_holder /'
  else echo "port free"; fi
fi

cache=${{HF_HOME:-${{HOME:?}}/.cache/huggingface}}
hub=${{HF_HUB_CACHE:-$cache/hub}}
disk=$hub
until [ -e "$disk" ] || [ "$disk" = / ]; do disk=$(dirname -- "$disk"); done
df -PB1 -- "$disk" 2>/dev/null | tail -n 1 | {{
  read -r _ size _ free _
  echo "disk_size $size"
  echo "disk_free $free"
}}
cat /proc/meminfo | grep -E '^Mem(Total|Available):'
echo "boot_id $(cat /proc/sys/kernel/random/boot_id)"
fence=
[ ! -s "$HOME/.spark-control/$slot/fence" ] || read -r fence <"$HOME/.spark-control/$slot/fence"
echo "fence ${{fence:-0}}"

if [ -n "$local_path" ]; then
  if [ -d "$local_path" ]; then weights_in "$local_path"; else echo "weights absent"; fi
elif [ -n "$folder" ]; then
  commit=
  [ ! -s "$hub/$folder/refs/main" ] || read -r commit <"$hub/$folder/refs/main"
  if [ -n "$commit" ] && [ -d "$hub/$folder/snapshots/$commit" ]; then
    weights_in "$hub/$folder/snapshots/$commit"
    find "$hub/$folder/blobs" -name '*.incomplete' -newer "$hub/$folder/refs/main" 2>/dev/null |
      head -n 1 | sed 's/.*/weights_downloading yes/'
  else
    echo "weights absent"
  fi
fi
exit 0
"""
)
