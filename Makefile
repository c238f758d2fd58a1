# make run     set everything up in .venv and complete a hole in a real file
# make test    set everything up and run all tests
# make lint    ruff, mypy --strict, import-linter
# make bench   completion latency on this machine
# make bench-kernels   linear attention of ours and of others, on one GPU
# make test-kernels    the Triton kernels in Triton's interpreter (installs triton, 1 GB, into build/)
# make eval    quality on the development sets: make eval EVAL="…" (see codeworld eval --help)
PYTHON ?= python3
VENV ?= .venv
export PYTHON TORCH

BIN := $(VENV)/bin
SETUP := pyproject.toml constraints.txt scripts/install.sh

.PHONY: run test test-kernels lint bench bench-kernels eval clean

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
