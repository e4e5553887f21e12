#!/usr/bin/env bash
# How fast one learns who used a patient's images, in a registry of 112,120 images and 200 runs.
#
#   benches/history.sh [FOLDER]
#
# Makes 112,120 tiny but valid, distinct PNGs with metadata of the form of 2020 in FOLDER (default: a temporary one),
# takes them in, divides them into five folds and, by official lists, into one small split, and trains 150 runs of `mlp`
# and 50 of `tiny`, all of them for an epoch. Beside each run lies what people without reg keep: a list of the images of
# each subset. Both are asked for patient 13.
#
#   reg     target/release/reg, or $REG; the worker, reg-torch, lies beside it, or $REG_TORCH
#
# Environment: IMAGES (default 112120), RUNS (200), ROUNDS (5), REG, REG_TORCH. Prints medians over the rounds and their
# ratios. Twenty minutes on two cores, nearly all of them training.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
images=${IMAGES:-112120} runs=${RUNS:-200} rounds=${ROUNDS:-5}
reg=$(realpath "${REG:-$here/../target/release/reg}")
[ -x "$reg" ] || { echo "there is no $reg: run cargo build --release --workspace, or set REG" >&2; exit 1; }
export REG_TORCH=${REG_TORCH:-$(dirname "$reg")/reg-torch}

[ $# -eq 0 ] || mkdir -p "$1"
work=$(mktemp -d "${1:-${TMPDIR:-/tmp}}/reg-history.XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
results=$work/results.jsonl
measure() { python3 "$here/scale/measure.py" "$@"; }
timed() { measure run "$results" "$@"; }                # LABEL COMMAND…
say() { echo "history: $*" >&2; }

say "making $images images"
python3 "$here/scale/images.py" data "$images" 0
"$reg" init registry >/dev/null
export REG_REGISTRY=$work/registry
"$reg" --quiet ingest data/small --metadata data/small.csv --name small --link hardlink >/dev/null
"$reg" split make small --folds 5 --ratios 70/10/20 --seed 1 --name folds >/dev/null
# The first images, patient 13 among them.
tail -n +2 data/small.csv | cut -d, -f1 > names
head -n 1600 names > train_val; sed -n 1601,2000p names | grep -v "^$(sed -n 1600p names | cut -c1-8)" > test
"$reg" split import small --train-val train_val --test test --val-fraction 0.125 --name few >/dev/null

say "training $runs runs"
train() { "$reg" --quiet train --dataset small --set epochs=1 --threads 1 "$@" >/dev/null; }
for ((run = 0; run < runs; run++)); do
  if ((run % 4 < 3)); then
    train --split folds --fold $((run % 5)) --model mlp --set batch=4096 --seed "$run" --name "mlp-$run"
  else
    train --split few --model tiny --set batch=128 --seed "$run" --name "tiny-$run"
  fi
done
"$reg" compare mlp-0 mlp-1 mlp-2 --allow-different-images --name some >/dev/null 2>&1 || true
python3 "$here/scale/lists.py" "$reg" "$runs" lists names

say "asking"
for ((round = 1; round <= rounds; round++)); do
  timed history/patient "$reg" trace --down patient:13
  timed history/json "$reg" trace --down patient:13 --json
  timed history/image "$reg" trace --down 00000013_000.png
  timed history/row "$reg" trace --down small:42
  timed history/grep grep -rl '^00000013_' lists
  timed history/cat sh -c "find registry/.reg/objects -mindepth 2 -type f -size +0 -newer data/small.csv -exec cat {} + | wc -c"
done
"$reg" --quiet withdraw patient:13 --reason bench >/dev/null
for ((round = 1; round <= rounds; round++)); do timed history/list "$reg" list; done
"$reg" trace --down patient:13 --json | python3 -c 'import collections, json, sys
kinds = collections.Counter(node["kind"] for node in json.load(sys.stdin)["nodes"])
print("\npatient 13:", ", ".join(f"{count} {kind}" for kind, count in kinds.items()))'
measure report "$results"
