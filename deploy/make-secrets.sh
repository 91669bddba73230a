#!/bin/sh
# The passwords of docker-compose.yml, made up once: `sh deploy/make-secrets.sh [folder]`. What is there stays.
# The folder is for its owner alone. The files in it can be read by all, because the containers read them as other users.
set -eu
folder=${1:-secrets}
mkdir -p "$folder"
chmod 700 "$folder"

random() { od -An -tx1 -N 32 /dev/urandom | tr -d ' \n'; }
keep() {
    [ -s "$folder/$1" ] || printf '%s\n' "$2" >"$folder/$1"
    chmod 444 "$folder/$1"
}

keep postgres_password "$(random)"
keep redis_password "$(random)"
keep secret_key "$(random)"
keep database_url "postgresql://sparkcontrol:$(cat "$folder/postgres_password")@postgres:5432/sparkcontrol"
keep redis_url "redis://:$(cat "$folder/redis_password")@redis:6379/0"
