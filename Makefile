# `make demo` and `make test` do all set-up themselves on a fresh machine with Python 3.11 or newer.
.DEFAULT_GOAL := help
.PHONY: help setup system demo test test-slow lint format bench clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
# One process for each core, four at most: each of them loads PyTorch. (loadfile and loadscope lose tests of one name.)
TOGETHER := --numprocesses auto --maxprocesses 4 --dist worksteal

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) system ## Create .venv with everything, and install the system packages that tests use

# Only when pyproject.toml changed. uv is quicker; pip follows where uv cannot be had or finds no way.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "reir needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@[ -x $(BIN)/python ] || PYTHON=$(PYTHON) scripts/setup-system.sh venv
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@echo "Installing reir and its dependencies into $(VENV) (one to five minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv \
	    && $(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[dev]' \
	    || $(BIN)/python -m pip install --disable-pip-version-check --editable '.[dev]'
	@touch $@

system:
	@scripts/setup-system.sh || true

demo: $(STAMP) ## Index the shipped gallery, run a few searches, write a contact sheet
	$(BIN)/reir demo

test: $(STAMP) system ## Run the tests (offline, on the CPU)
	$(BIN)/python -m pytest $(TOGETHER)

test-slow: $(STAMP) system ## Run the slow tests too
	$(BIN)/python -m pytest $(TOGETHER) -m 'not gpu and not hub'

lint: $(STAMP) ## Check style, types and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p reir
	$(BIN)/lint-imports

format: $(STAMP) ## Sort imports and format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## Run the benchmarks, which print the machine, the versions and the peer's figure beside ours
	@for file in $(sort $(wildcard benchmarks/bench_*.py)); do echo "== $$file"; $(BIN)/python $$file || exit 1; done

clean: ## Remove caches and build outputs (.venv stays)
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
