#!/usr/bin/env bash
# Train a network of pages in a fixed time, on a machine with one GPU, many cores and perhaps no network.
#
#   scripts/train_on_gpu.sh RECORDS.npz SECONDS OUTPUT_DIR [OVERRIDE ...]
#
# RECORDS.npz   what scripts/pack_records.py wrote
# SECONDS       of training; setting up takes some 20 s before it, and the last validation 10 s after it
# OUTPUT_DIR    gets weights.safetensors after each validation, metrics.csv and metrics.json
# OVERRIDE      of conf/train.yaml, such as model.pages.batch_size=48
#
# MODEL is page (the default) or lead, which is told what the shipped page network sees.
# PYTHON (python3) must have PyTorch, Lightning, OpenCV, SciPy, pandas, matplotlib, safetensors. What it lacks, such
# as Hydra, may lie as wheels in the folder WHEELS: they are unpacked beside it. WORKERS is the number of processes
# that draw pages, by default one less than there are cores.
set -euo pipefail

records=$(realpath "$1") seconds=$2 output=$(realpath -m "$3")
shift 3
python=${PYTHON:-python3}
cd "$(dirname "$0")/.."
export PYTHONPATH=$PWD/src PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1
cores=$(nproc)
workers=${WORKERS:-$((cores > 1 ? cores - 1 : 1))}

if [[ -n ${WHEELS:-} ]]; then
    site=$(mktemp -d)
    "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$WHEELS"/*.whl
    export PYTHONPATH=$PYTHONPATH:$site
fi

mkdir -p "$output"
model=${MODEL:-page}
"$python" train.py model="$model" experiment="shipped_$model" signals=packed signals.path="$records" logger=none \
    progress=false hydra.run.dir="$output" hydra.output_subdir=null model.schedule.seconds="$seconds" \
    model.pages.num_workers="$workers" "$@" 2>&1 | tee "$output/output.log"
# For going on alone, and ten times as large as the weights.
rm -f "$output/last.ckpt"
