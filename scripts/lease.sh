#!/usr/bin/env bash
# The steps of a training run on a borrowed GPU machine: no network, no git, files arrive and leave in pieces, and it goes
# when nobody has called for half a minute. So: send every call below at once, one after the other, and never wait.
#   setup DIR            DIR/wheels/*.whl and this checkout's packages (run it in the checkout)
#   weights DIR          DIR/*: a part of the initial checkpoint
#   shards DIR           DIR/*.jsonl.xz: a part of the corpus; more may come while training runs
#   train CONFIG N MIN   on N GPUs; ends after MIN minutes
#   follow S             wait S seconds, or until training has ended; the last figures
#   ship NAME A B        parts A to B (0-7) of runs/main/NAME (latest or final), exported to int8, to $OUT
#   generate GPU NAME CHECKPOINT HOLES PARTS [option...]    candidates for holes, several processes on one GPU
#   texts DIR            DIR/{train,watched,evaluation}: parts of the text corpus; all of them before "text"
#   text GPU NAME MIN CONFIG [option...]    a text run on one GPU, from this checkout's code model: runs/NAME
#   predict GPU NAME EVERY [option...]      texts for one of EVERY held-out examples, by runs/NAME/best
#   shiptext NAME        runs/NAME/best (or final, where nothing was watched), exported to int8, to $OUT
#   logs                 logs, candidates and predicted texts to $OUT
set -u
W=${LEASE:-/tmp/lease}
export PYTHONPATH=$W/code:$W/site PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false TORCHINDUCTOR_CACHE_DIR=$W/inductor
mkdir -p "$W"/{code,initial,corpus/train,text,logs,runs,candidates,predictions}

setup() {
  python3 -m pip install -q --no-index --no-deps --no-compile --upgrade --target "$W/site" "$1"/wheels/*.whl || return 1
  cp -r codeworld kernels textdiff benchmarks configs scripts pyproject.toml "$W/code/"
  python3 -c 'import codeworld.training.train, codeworld.training.generate, textdiff.train'  # what is missing is said now
}
weights() { cp "$1"/* "$W/initial/"; }
shards() { # renamed into place, for training looks for new ones
  local shard
  for shard in "$1"/*.jsonl.xz; do
    cp "$shard" "$W/arriving" && mv "$W/arriving" "$W/corpus/train/${shard##*/}"
  done
}
train() {
  sed "s#^initial = .*#initial = \"$W/initial\"#; s#^corpus = .*#corpus = \"$W/corpus/train\"#
    s#^output = .*#output = \"$W/runs/main\"#; s#^minutes = .*#minutes = $3#" "$1" > "$W/main.toml"
  # Not the command line: it wants packages that such a machine has not.
  printf 'import pathlib, sys\nfrom codeworld.training.train import run\nrun(pathlib.Path(sys.argv[1]))\n' > "$W/run.py"
  setsid nohup python3 -m torch.distributed.run --standalone --nproc-per-node "$2" "$W/run.py" "$W/main.toml" \
    > "$W/logs/main.log" 2>&1 < /dev/null &
  sleep 2
}
follow() {
  local second
  for second in $(seq "$1"); do
    sleep 1
    [ "$second" -lt 20 ] || pgrep -f 'mai[n].toml|textdiff.trai[n]|textdiff.predic[t]' > /dev/null || break
  done
  tail -n 2 "$W"/logs/*.log | cut -c1-300
  nvidia-smi --query-gpu=utilization.gpu,clocks.sm,power.draw --format=csv,noheader
}
ship() {
  local part
  [ -d "$W/ship-$1" ] || CUDA_VISIBLE_DEVICES='' python3 -c "
from pathlib import Path
from codeworld.model import checkpoint
made = Path('$W/ship-$1.new')
checkpoint.export(Path('$W/runs/main/$1'), made)
made.rename('$W/ship-$1')"
  for part in $(seq "$2" "$3"); do cp "$W/ship-$1/model-$part.safetensors" "$OUT/"; done
  cp "$W/ship-$1/config.json" "$OUT/"
}
generate() {
  local gpu=$1 name=$2 checkpoint=$3 holes=$4 parts=$5 part
  shift 5
  for part in $(seq 0 $((parts - 1))); do
    CUDA_VISIBLE_DEVICES=$gpu OMP_NUM_THREADS=2 setsid nohup python3 -m codeworld.training.generate "$holes" \
      "$W/candidates/$name-$part.jsonl" --model "$checkpoint" --part "$part" --parts "$parts" "$@" \
      > "$W/logs/$name-$part.log" 2>&1 < /dev/null &
  done
}
texts() { cp -r "$1"/* "$W/text/"; }
text() {
  local gpu=$1 name=$2 minutes=$3 config=$4
  shift 4
  CUDA_VISIBLE_DEVICES=$gpu setsid nohup python3 -m textdiff.train "$config" --initial codeworld/model/weights \
    --corpus "$W/text/train" --watched "$W/text/watched" --output "$W/runs/$name" --minutes "$minutes" "$@" \
    > "$W/logs/$name.log" 2>&1 < /dev/null &
}
best() { [ -d "$W/runs/$1/best" ] && echo "$W/runs/$1/best" || echo "$W/runs/$1/final"; }
predict() {
  local gpu=$1 name=$2 every=$3
  shift 3
  CUDA_VISIBLE_DEVICES=$gpu setsid nohup python3 -m textdiff.predict "$(best "$name")" "$W/predictions/$name" \
    "$W"/text/evaluation/text-{docstring,commit}.jsonl --every "$every" "$@" > "$W/logs/predict-$name.log" 2>&1 < /dev/null &
}
shiptext() {
  rm -rf "$W/ship-$1"
  CUDA_VISIBLE_DEVICES='' python3 -m textdiff.train "$(best "$1")" --export "$W/ship-$1"
  cp "$W/ship-$1"/* "$OUT/"
}
logs() { tar cJf "$OUT/logs.tar.xz" -C "$W" logs candidates predictions $(cd "$W" && ls runs/*/log.jsonl); }

"$@"
