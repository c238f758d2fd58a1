# make run     set everything up in .venv and complete a hole in a real file
# make test    set everything up and run all tests
# make lint    ruff, mypy --strict, import-linter
# make bench   completion latency on this machine
# make bench-kernels   linear attention of ours and of others, on one GPU
# make test-kernels    the Triton kernels in Triton's interpreter (installs triton, 1 GB, into build/)
# make vsix    the VS Code extension, build/codeworld.vsix (needs Node 20)
# make check-vsix    the extension's types, rules, format and unit tests
# make test-editors    end-to-end tests in the real VS Code, Neovim and Helix (installs them into build/editors: 1 GB)
# make eval    quality on the development sets: make eval EVAL="…" (see codeworld eval --help)
PYTHON ?= python3
VENV ?= .venv
export PYTHON TORCH

BIN := $(VENV)/bin
SETUP := pyproject.toml constraints.txt scripts/install.sh

.PHONY: run test test-kernels test-editors vsix check-vsix lint bench bench-kernels eval clean

# Threshold 0: the completion has to pass every check, and its confidence is printed instead of deciding.
run: $(VENV)/installed
	@$(BIN)/codeworld complete examples/ledger.py --hole ' # <hole>' --threshold 0

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest

lint: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/installed
	$(BIN)/codeworld bench

# With the python that has torch and triton; WHEELS: a folder of wheels of peers, such as fla-core.
bench-kernels:
	$(PYTHON) -m benchmarks.kernels --check $(if $(WHEELS),--wheels $(WHEELS))

test-kernels: $(VENV)/installed-dev
	@test -d build/triton || $(BIN)/pip install -qq --target build/triton --no-deps triton
	PYTHONPATH=build/triton $(BIN)/python -m pytest tests/kernels

# Times, time zone and order are fixed, so that the same sources make the same bytes.
vsix: vscode-extension/node_modules/installed
	@mkdir -p build
	@cd vscode-extension && node esbuild.mjs && TZ=UTC SOURCE_DATE_EPOCH=1700000000 \
	    node_modules/.bin/vsce package --no-dependencies --no-rewrite-relative-links --out ../build/codeworld.vsix >/dev/null
	@ls -l build/codeworld.vsix

check-vsix: vscode-extension/node_modules/installed
	cd vscode-extension && npm run --silent check && npm run --silent test

vscode-extension/node_modules/installed: vscode-extension/package.json vscode-extension/package-lock.json
	cd vscode-extension && npm ci --silent
	@touch $@

# EDITORS: where the editors are, or are put.
EDITORS ?= build/editors
test-editors: $(VENV)/installed-dev vscode-extension/node_modules/installed
	editors/install.sh $(EDITORS)
	@test -d $(EDITORS)/python || $(BIN)/pip install -qq --target $(EDITORS)/python playwright
	CODEWORLD_EDITORS=$(abspath $(EDITORS)) PYTHONPATH=$(abspath $(EDITORS))/python \
	    $(BIN)/python -m pytest editors/tests

eval: $(VENV)/installed-dev
	$(BIN)/codeworld eval $(EVAL)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

# The stamps make the next call instant. What is installed is a link to this checkout, so only a change of the
# dependencies needs a new installation.
$(VENV)/installed: $(SETUP)
	@scripts/install.sh $(VENV)
	@touch $@

$(VENV)/installed-dev: $(SETUP)
	@scripts/install.sh $(VENV) dev,languages
	@touch $@ $(VENV)/installed
