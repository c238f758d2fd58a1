#!/usr/bin/env bash
# The steps of a training run on a borrowed GPU machine: no network, no git, files arrive and leave in pieces, and it goes
# when nobody has called for half a minute. So: send every call below at once, one after the other, and never wait; what
# is to happen between calls goes into a script that `start` runs beside them.
#   setup DIR            DIR/wheels/*.whl and this checkout's packages (run it in the checkout)
#   put DIR              what else DIR holds: initial/ (a checkpoint in parts), corpus/ (shards; more may come while
#                        training runs), holes/, parts/ (any files)
#   start SCRIPT         run SCRIPT in the background
#   train NAME CONFIG GPUS MINUTES [INITIAL [SED]]    on GPUS ("0" or "0,1,2,3"), as CONFIG edited by SED says; where that
#                        fails it goes on, once, from what it saved last
#   await PATH S         wait until PATH (below the lease's folder) is there, S seconds at most
#   follow T             wait until T seconds after setup began, or until nothing runs; the last figures
#   exported NAME CHECKPOINT    runs/NAME/CHECKPOINT (latest or final) as int8, for bring: the last step of a plan's training
#   bring T              follow T, then to $OUT: of exported weights what has not been brought yet, as much as one call holds;
#                        else logs. Every call after the uploads is this one: whatever ends late still comes home
#   generate GPU NAME CHECKPOINT HOLES PARTS [option...]    candidates for holes, several processes on one GPU
#   texts DIR            DIR/{train,watched,evaluation}: parts of the text corpus; all of them before "text"
#   text GPU NAME MIN CONFIG [option...]    a text run on one GPU, from initial/: runs/NAME
#   predict GPU NAME EVERY [option...]      texts for one of EVERY held-out examples, by runs/NAME/best
#   exportedtext NAME    runs/NAME/best (or final, where nothing was watched) as int8, for bring
#   logs                 logs, candidates and predicted texts to $OUT
set -u
W=${LEASE:-/tmp/lease}
export PYTHONPATH=$W/code:$W/site PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false TORCHINDUCTOR_CACHE_DIR=$W/inductor
mkdir -p "$W"/{code,initial,corpus,holes,parts,text,logs,runs,candidates,predictions,out}

setup() {
  date +%s > "$W/began"
  python3 -m pip install -q --no-index --no-deps --no-compile --upgrade --target "$W/site" "$1"/wheels/*.whl || return 1
  cp -r codeworld kernels textdiff benchmarks configs scripts pyproject.toml "$W/code/"
  # Not the command line: it wants packages that such a machine has not.
  printf 'import pathlib, sys\nfrom codeworld.training.train import run\nif __name__ == "__main__":\n    run(*map(pathlib.Path, sys.argv[1:]))\n' > "$W/run.py"
  python3 -c 'import codeworld.training.train, codeworld.training.generate, textdiff.train'  # what is missing is said now
  nproc; cat /sys/fs/cgroup/cpu.max; nvidia-smi --query-gpu=name,clocks.max.sm,power.limit --format=csv,noheader
}
put() {
  local kind shard
  for kind in initial holes parts; do [ ! -d "$1/$kind" ] || cp "$1/$kind"/* "$W/$kind/"; done
  for shard in "$1"/corpus/*.jsonl.xz; do # renamed into place, for training looks for new ones
    [ ! -e "$shard" ] || { cp "$shard" "$W/arriving" && mv "$W/arriving" "$W/corpus/${shard##*/}"; }
  done
}
start() {
  cp "$1" "$W/plan.sh"
  setsid nohup bash "$W/plan.sh" > "$W/logs/plan.log" 2>&1 < /dev/null &
  sleep 1
}
train() {
  local name=$1 gpus=$3 processes launch=python3
  processes=$(tr ',' '\n' <<< "$gpus" | wc -l)
  sed "s#^initial = .*#initial = \"${5:-$W/initial}\"#; s#^corpus = .*#corpus = \"$W/corpus\"#
    s#^output = .*#output = \"$W/runs/$name\"#; s#^minutes = .*#minutes = $4#; ${6:-}" "$2" > "$W/$name.toml"
  [ "$processes" = 1 ] || launch="python3 -m torch.distributed.run --standalone --nproc-per-node $processes"
  launch="$launch $W/run.py $W/$name.toml"
  CUDA_VISIBLE_DEVICES=$gpus OMP_NUM_THREADS=1 setsid nohup bash -c "$launch || $launch $W/runs/$name/latest" \
    > "$W/logs/$name.log" 2>&1 < /dev/null &
}
running() { pgrep -f "$W/[a-z0-9]*.toml|training.generat[e]|textdiff.trai[n]|textdiff.predic[t]|plan[.]sh" > /dev/null; }
await() {
  local second
  for second in $(seq "$2"); do [ ! -e "$W/$1" ] || break; sleep 1; done
}
follow() {
  local log
  while [ $(($(date +%s) - $(< "$W/began"))) -lt "$1" ] && running; do sleep 1; done
  for log in "$W"/logs/*.log; do [ ! -s "$log" ] || { echo "== ${log##*/}"; tail -n 2 "$log" | cut -c1-300; }; done
  nvidia-smi --query-gpu=utilization.gpu,clocks.sm,power.draw,temperature.gpu,clocks_event_reasons.active --format=csv,noheader
  grep -h throttled /sys/fs/cgroup/cpu.stat; uptime; wc -l "$W"/candidates/* 2> /dev/null | tail -n 1
}
exported() {
  local made=$W/ship-$1-$2
  CUDA_VISIBLE_DEVICES='' python3 -c "
from pathlib import Path
from codeworld.model import checkpoint
checkpoint.export(Path('$W/runs/$1/$2'), Path('$made.new'))" && rm -rf "$made" && mv "$made.new" "$made"
}
bring() {
  follow "$1"
  local file sent size count=0 left=60000000 # 8 files and 64 MiB are what a call brings
  for file in "$W"/ship-*[!w]/*; do          # not what is still being written (.new)
    sent=$W/sent/${file#"$W"/}
    [ "$file" -nt "$sent" ] || continue
    size=$(stat -c %s "$file")
    [ "$count" -lt 8 ] && [ "$size" -le "$left" ] || break
    count=$((count + 1)) left=$((left - size))
    mkdir -p "$OUT/$(basename "${file%/*}")" "${sent%/*}"
    cp "$file" "$OUT/$(basename "${file%/*}")/" && touch "$sent"
  done
  [ "$count" -gt 0 ] || logs
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
  CUDA_VISIBLE_DEVICES=$gpu setsid nohup python3 -m textdiff.train "$config" --initial "$W/initial" \
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
exportedtext() {
  CUDA_VISIBLE_DEVICES='' python3 -m textdiff.train "$(best "$1")" --export "$W/ship-$1.new" && rm -rf "$W/ship-$1" \
    && mv "$W/ship-$1.new" "$W/ship-$1"
}
logs() { tar cJf "$OUT/logs.tar.xz" -C "$W" logs candidates predictions out $(cd "$W" && ls runs/*/log.jsonl *.toml); }

[ "${BASH_SOURCE[0]}" != "$0" ] || "$@"
