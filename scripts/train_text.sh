#!/bin/sh
# Usage: scripts/train_text.sh MINUTES [CORPUS [INITIAL]]
# On four GPUs: the text model, its two twins, and the text model at another learning rate, one each, for as many minutes of
# training each (compiling comes on top). Checkpoints and logs: runs/text-{gaussian,masked,autoregressive,fast}/.
set -u
cd "$(dirname "$0")/.."
minutes=$1
corpus=${2:-corpus/text}
initial=${3:-codeworld/model/weights}
limit=$(awk "BEGIN { print int(60 * $minutes + 150) }")
export OMP_NUM_THREADS=4 TORCHINDUCTOR_COMPILE_THREADS=12 PYTHONUNBUFFERED=1
gpu=0
for run in gaussian masked autoregressive fast; do
    case $run in
        fast) config=configs/textdiff-0.1-fast.toml kind=gaussian ;;
        *) config=configs/textdiff-0.1.toml kind=$run ;;
    esac
    mkdir -p "runs/text-$run"
    CUDA_VISIBLE_DEVICES=$gpu timeout -s INT "$limit" python3 -m textdiff.train "$config" --kind $kind --initial "$initial" \
        --corpus "$corpus" --output "runs/text-$run" --minutes "$minutes" >"runs/text-$run/output.txt" 2>&1 &
    gpu=$((gpu + 1))
done
wait
tail -n 2 runs/text-*/output.txt
