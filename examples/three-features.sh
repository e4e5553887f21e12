#!/usr/bin/env bash
# How well age, gender and view position alone predict the labels of 112,120 X-rays: the paper's network on
# three features, over five re-samplings, compared, traced and reproduced. Needs the metadata, but no images.
#
#     examples/three-features.sh FOLDER REGISTRY
#
# FOLDER contains Data_Entry_2017_v2020.csv, plain or gzipped. REG sets the program; the default is the reg built in
# this source tree, or an installed one.
set -euo pipefail
nih=$1 registry=$2
built=$(dirname "$0")/../target/debug/reg
[ -x "$built" ] || built=$(command -v reg || true)
reg=${REG:-$built}
[ -n "$reg" ] || { echo "three-features: no reg here: cargo build --workspace, or set REG to one" >&2; exit 1; }
metadata=$(find "$nih" -maxdepth 1 -name 'Data_Entry_2017_v2020.csv*' | sort | head -n 1)
[ -n "$metadata" ] || { echo "three-features: no Data_Entry_2017_v2020.csv in $nih" >&2; exit 1; }

say() { echo; echo "# reg $*"; }
run() { say "$@"; "$reg" --registry "$registry" "$@"; }

start=$SECONDS
echo
echo "# The network of the paper on age, gender and view alone, on the published metadata"
"$reg" init "$registry"
run ingest --metadata-only --metadata "$metadata" --name nih-meta
run split make nih-meta --folds 5 --ratios 70/10/20 --seed 1 --name m5
runs=()
for fold in 0 1 2 3 4; do
    say train --dataset nih-meta --split m5 --fold "$fold" --model mlp
    "$reg" --registry "$registry" --quiet train --dataset nih-meta --split m5 --fold "$fold" --model mlp | tail -n 2
    runs+=("mlp-m5-f$fold")
done
run compare "${runs[@]}" --name three-features
run trace three-features | head -n 24
say reproduce mlp-m5-f0
"$reg" --registry "$registry" --quiet reproduce mlp-m5-f0
echo
echo "Five re-samplings trained, compared and traced, and one of them reproduced, in $((SECONDS - start)) s."
