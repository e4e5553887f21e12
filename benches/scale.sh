#!/usr/bin/env bash
# How fast reg is on a data set as large as ChestX-ray14, against floor and peer in one run.
#
#   benches/scale.sh [FOLDER]
#
# Makes 112,120 tiny but valid, distinct PNGs in images_001/images … with metadata of the form of
# 2020, and 600 PNGs of 1024 x 1024 pixels, in FOLDER (default: a temporary one), works on them and
# removes what it made. All of it must lie on one file system that can hard-link; 3 GB are enough.
#
#   floor   `cp -rl` (or `cp -r`) and `sync`; `b3sum` on two or more cores, where it is installed
#   peer    `dvc add` with `cache.type hardlink`, put into a throwaway environment with pip;
#           left out where pip cannot
#   reg     target/release/reg, or $REG; tables to trace need the worker, reg-torch: beside reg, in
#           target/debug, or $REG_TORCH
#
# Environment: IMAGES (default 112120), LARGE (600), ROUNDS (3), DVC (a dvc that is there already, or
# `no`), REG, REG_TORCH. Prints a table of medians over the rounds with ratios; a target that was
# missed is marked so. Takes about ten minutes; everything else on the machine disturbs it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
images=${IMAGES:-112120} large=${LARGE:-600} rounds=${ROUNDS:-3}
reg=$(realpath "${REG:-$here/../target/release/reg}")
[ -x "$reg" ] || { echo "there is no $reg: run cargo build --release -p reg, or set REG" >&2; exit 1; }
for worker in "${REG_TORCH:-}" "$(dirname "$reg")/reg-torch" "$here/../target/debug/reg-torch"; do
  if [ -x "$worker" ]; then REG_TORCH=$(realpath "$worker"); export REG_TORCH; break; fi
done

[ $# -eq 0 ] || mkdir -p "$1"
work=$(mktemp -d "${1:-${TMPDIR:-/tmp}}/reg-scale.XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
results=$work/results.jsonl
measure() { python3 "$here/scale/measure.py" "$@"; }
timed() { measure run "$results" "$@"; }                # LABEL COMMAND…
say() { echo "scale: $*" >&2; }
# What the last round left in memory to be written out is not part of the next measurement.
settle() { chmod -R u+w data; sync -f .; }

say "making $images small and $large large images"
python3 "$here/scale/images.py" data "$images" "$large"
small=data/small metadata=data/small.csv

dvc=${DVC:-}
if [ -z "$dvc" ]; then
  if python3 -m venv venv >/dev/null 2>&1 && venv/bin/pip install --quiet dvc >pip.log 2>&1; then
    dvc=$work/venv/bin/dvc
  else
    say "left out dvc: pip cannot install it ($(tail -n 1 pip.log 2>/dev/null))"
  fi
fi
[ "$dvc" != no ] || dvc=
b3sum=$(command -v b3sum || true)
[ -n "$b3sum" ] || say "left out b3sum: it is not installed"
export DVC_NO_ANALYTICS=1
hash_all() { timed "$1" bash -c "find '$2' -type f -print0 | xargs -0 -P $(nproc) -n 1000 '$b3sum' >/dev/null"; }

for ((round = 1; round <= rounds; round++)); do
  say "round $round of $rounds"
  settle
  timed small/link bash -c "cp -rl $small copy && sync -f copy"
  rm -rf copy
  [ -z "$b3sum" ] || hash_all small/hash $small

  settle
  rm -rf registry
  "$reg" init registry >/dev/null
  export REG_REGISTRY=$work/registry
  ingest=("$reg" ingest $small --metadata $metadata --name small --link hardlink)
  timed small/reg "${ingest[@]}"
  timed small/reg-again "${ingest[@]}"

  if [ -n "$dvc" ]; then
    mkdir peer
    cp -rl $small peer/small
    (
      cd peer
      "$dvc" init --quiet --no-scm
      "$dvc" config cache.type hardlink
      "$dvc" config core.check_update false
      # Its memory of files that it has seen: none at the start of a round.
      "$dvc" config core.site_cache_dir "$work/peer/site"
    )
    settle
    timed small/dvc bash -c "cd peer && exec '$dvc' add --quiet small"
    timed small/dvc-again bash -c "cd peer && exec '$dvc' add --quiet small"
    chmod -R u+w peer
    rm -rf peer
  fi

  settle
  timed large/copy bash -c "cp -r data/large copy && sync -f copy"
  rm -rf copy
  "$reg" init copied >/dev/null
  settle
  timed large/reg "$reg" --registry copied ingest data/large --metadata data/large.csv --link copy
  chmod -R u+w copied
  rm -rf copied
done

say "looking around"
id=$("$reg" --json show small | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
measure starts "$results" start/nothing /bin/true
measure starts "$results" start/list "$reg" list
measure starts "$results" start/show-name "$reg" show small
measure starts "$results" start/show-prefix "$reg" show "${id:0:12}"

timed small/split "$reg" split make small --folds 5 --ratios 70/10/20 --seed 1 --name folds
root=folds
if [ -n "${REG_TORCH:-}" ]; then
  timed small/train "$reg" --quiet train --dataset small --split folds --model mlp --set epochs=1 --name mlp
  root=$("$reg" --json list table | python3 -c 'import json, sys; print(json.load(sys.stdin)["records"][0]["id"])')
else
  say "there is no worker, so the split is traced instead of a table"
fi
image=$("$reg" --json trace "$root" | python3 -c 'import json, sys
print(next(node["id"] for node in json.load(sys.stdin)["nodes"] if node["kind"] == "image"))')
for ((round = 1; round <= rounds; round++)); do
  timed trace/up "$reg" trace "$root"
  timed trace/json "$reg" trace "$root" --json
  timed trace/down "$reg" trace --down "$image"
  timed verify/reg "$reg" verify
  [ -z "$b3sum" ] || hash_all verify/hash registry/.reg/objects
done
objects=$("$reg" --json verify | python3 -c 'import json, sys; print(json.load(sys.stdin)["checked"])')
measure report "$results" "$objects" "$large"
