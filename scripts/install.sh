#!/bin/sh
# Usage: scripts/install.sh VENV [EXTRA]
# Make the virtual environment VENV (when missing) and install this project into it, editable, with the optional EXTRA
# ("dev", "eval", "train"). Where there is no NVIDIA GPU torch comes without CUDA, if the package index has it so.
#   PYTHON  the interpreter to start from (python3)
#   TORCH   what to install as torch, for example TORCH=torch==2.12.0
set -eu
cd "$(dirname "$0")/.."
venv=$1
extra=${2:-}
python=${PYTHON:-python3}

say() { printf '%s\n' "$*" >&2; }
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    say "Codeworld needs Python 3.11 or newer as $python (or: make PYTHON=/path/to/python3.11 …)"
    exit 2
}

if ! [ -x "$venv/bin/python" ] || ! pip --version >/dev/null 2>&1; then
    rm -rf "$venv"
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv "$venv"
    elif "$python" -m pip --version >/dev/null 2>&1; then
        # Debian without python3-venv, but with python3-pip: that pip can fill an environment that has none.
        "$python" -m venv --without-pip "$venv"
        "$python" -m pip --python "$venv/bin/python" --disable-pip-version-check install -qq pip
    else
        say "Python's venv module is incomplete here; on Debian or Ubuntu: sudo apt install python3-venv"
        exit 2
    fi
fi

if [ -n "${TORCH:-}" ]; then
    say "installing $TORCH"
    pip install -qq "$TORCH"
elif "$venv/bin/python" -c 'import importlib.metadata as m; m.version("torch")' 2>/dev/null; then
    :
elif command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1; then
    say "NVIDIA GPU found: installing torch with CUDA"
    pip install -qq "torch>=2.11"
else
    say "no NVIDIA GPU: installing torch for the CPU (about 200 MB)"
    # Only the CPU build has this version's name; an index without it falls through to the general build.
    pip install -qq "torch==2.13.0+cpu" 2>/dev/null || {
        say "this package index has no CPU build of torch; taking the general one, which may bring CUDA (gigabytes)."
        say "To avoid that: stop, and set PIP_EXTRA_INDEX_URL to the CPU index that pytorch.org's start page names."
        pip install -qq "torch==2.13.0"
    }
fi

say "installing Codeworld"
pip install -qq -c constraints.txt -e ".${extra:+[$extra]}"
