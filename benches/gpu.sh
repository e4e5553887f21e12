#!/usr/bin/env bash
# What reg promises, tried on a machine with an NVIDIA GPU, and how fast it is there against PyTorch.
#
#   benches/gpu.sh [FOLDER]
#
# Needs LIBTORCH of a CUDA build (or LIBTORCH_USE_PYTORCH=1) when reg-torch was built, Python 3, some gigabytes in
# FOLDER (default: a temporary one). For each precision that reg has:
#   1. trains MODEL, starts the same again elsewhere, kills reg and its worker in the second epoch, goes on,
#      and compares the hashes of checkpoint, predictions and run;
#   2. `reg reproduce`s the run;
#   3. measures training, prediction and an epoch against PyTorch on the same device: benches/torch.
# Ends with 1 if something that should be identical is not.
#
# Environment: DEVICE (cuda:0), MODEL (resnet50), EPOCHS (3), IMAGES (600), INPUT (224), BATCH (16), KILL_AFTER (1: so
# many seconds of the second epoch), PRECISIONS ("f32 bf16"), SPEED (yes; no leaves out 3), XRAYS (a folder of PNGs;
# default: drawn ones), REG, REG_TORCH, and what benches/torch reads. DEVICE=cpu takes tiny sizes, to try the script.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
device=${DEVICE:-cuda:0}
if [ "$device" = cpu ]; then
  : "${EPOCHS:=2}" "${IMAGES:=60}" "${INPUT:=64}" "${WARMUP:=1}" "${STEPS:=2}" "${ROUNDS:=1}"
else
  : "${EPOCHS:=3}" "${IMAGES:=600}" "${INPUT:=224}" "${WARMUP:=20}" "${STEPS:=100}" "${ROUNDS:=3}"
fi
model=${MODEL:-resnet50} batch=${BATCH:-16}
xrays=${XRAYS:+$(realpath "$XRAYS")}
reg=$(realpath -m "${REG:-$here/../target/release/reg}")
worker=$(realpath -m "${REG_TORCH:-$(dirname "$reg")/reg-torch}")
for program in "$reg" "$worker"; do
  [ -x "$program" ] || { echo "gpu: there is no $program: run cargo build --release --workspace, or set REG" >&2; exit 1; }
done
export REG_TORCH=$worker
say() { echo "gpu: $*" >&2; }
key() { python3 -c 'import json, sys
found = json.load(sys.stdin)
print(*(found[key] if isinstance(found[key], str) else json.dumps(found[key]) for key in sys.argv[1:]), sep="\n")' "$@"; }

"$worker" identity | key worker libtorch cpu_capability cuda | paste -sd ' ' | sed 's/^/reg-torch, libtorch, processor, CUDA devices: /'
if [ "$device" != cpu ] && [ "$("$worker" identity | key cuda)" = "[]" ]; then
  echo "gpu: reg-torch sees no CUDA device" >&2
  echo "hint: build it with LIBTORCH of a CUDA build beside its libtorch_cuda.so, and look at nvidia-smi" >&2
  exit 1
fi

mkdir -p "${1:-${TMPDIR:-/tmp}}"
work=$(mktemp -d "${1:-${TMPDIR:-/tmp}}/reg-gpu.XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
say "making $IMAGES images"
python3 "$here/peer/xrays.py" images "$IMAGES" ${xrays:+"$xrays"}
for registry in whole broken; do
  "$reg" init $registry >/dev/null
  "$reg" -q --registry $registry ingest images --metadata images.csv --link copy --name xrays >/dev/null
  "$reg" -q --registry $registry split make xrays --folds 1 --ratios 80/10/10 --seed 1 --name split >/dev/null
done

failed=0
check() { if [ "$2" = "$3" ]; then echo "ok      $1"; else echo "FAILED  $1"; failed=1; fi; }

# REGISTRY PRECISION, then more arguments of reg.
train() {
  local registry=$1 precision=$2
  shift 2
  [ "$precision" = f32 ] || set -- --set precision="$precision" "$@"
  # reg itself, not a shell around it, so that it can be killed.
  exec "$reg" --json --registry "$registry" train --dataset xrays --split split --model "$model" --device "$device" \
    --set input="$INPUT" --set batch="$batch" --set lr=1e-4 --set epochs="$EPOCHS" --save-every 0.01 \
    --name "run-$precision" "$@"
}

# Kills reg and its worker in the second epoch; says whether there was something to kill.
kill_in_second_epoch() {
  : >broken.log
  (train broken "$1") >/dev/null 2>broken.log &
  local pid=$! children
  until grep -q '^epoch 1:' broken.log || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
  sleep "${KILL_AFTER:-1}"
  children=$(pgrep -P $pid || true)
  if ! kill -9 $pid $children 2>/dev/null; then
    cat broken.log >&2
    say "the training was over before it could be killed: more EPOCHS, or a shorter KILL_AFTER"
    return 1
  fi
  wait $pid 2>/dev/null || true
}

for precision in ${PRECISIONS:-f32 bf16}; do
  say "$model in $precision on $device: trained, killed and gone on with, reproduced"
  (train whole "$precision") >whole.json
  kill_in_second_epoch "$precision" || failed=1
  (train broken "$precision") >broken.json
  for what in checkpoint predictions run; do
    check "$precision: the same $what after a kill" "$(key $what <whole.json)" "$(key $what <broken.json)"
  done
  "$reg" --json --registry whole reproduce "run-$precision" >reproduced.json || true
  check "$precision: reproduced" "$(key identical <reproduced.json)" true
  check "$precision: nothing is damaged" "$("$reg" --json --registry broken verify | key damaged)" "[]"
  if [ "${SPEED:-yes}" = yes ]; then
    DEVICE=$device PRECISION=$precision REG=$reg BATCH=$batch SIDE=$INPUT IMAGES=$IMAGES XRAYS=$xrays \
      WARMUP=$WARMUP STEPS=$STEPS ROUNDS=$ROUNDS "$here/torch" "$work"
  fi
done
exit $failed
