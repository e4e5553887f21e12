#!/usr/bin/env bash
# How fast one looks around in a registry as large as ChestX-ray14. Ingest and verify: benches/ingest.
#
#   benches/scale.sh [FOLDER]
#
# Makes 112,120 tiny but valid, distinct PNGs in images_001/images … with metadata of the form of 2020
# in FOLDER (default: a temporary one), takes them in, divides them, trains `mlp` for an epoch, and traces.
# All of it must lie on one file system that can hard-link; 1 GB is enough.
#
#   reg     target/release/reg, or $REG; tables to trace need the worker, reg-torch: beside reg, in
#           target/debug, or $REG_TORCH
#
# Environment: IMAGES (default 112120), ROUNDS (3), REG, REG_TORCH. Prints a table of medians over the
# rounds; a target that was missed is marked so. Takes a minute; everything else on the machine disturbs it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
images=${IMAGES:-112120} rounds=${ROUNDS:-3}
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

say "making $images images"
python3 "$here/scale/images.py" data "$images" 0
"$reg" init registry >/dev/null
export REG_REGISTRY=$work/registry
timed small/reg "$reg" ingest data/small --metadata data/small.csv --name small --link hardlink

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
done
measure report "$results"
