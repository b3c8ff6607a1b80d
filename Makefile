# What a person types. Every target does its own set-up; `make env` alone makes the environment.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help env lock demo test test-fast test-faults test-clients bench validate docs slurm-up slurm-down clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

env: $(VENV)/.ready  ## the pinned environment in .venv

$(VENV)/.ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "ztfpipe needs Python 3.11, and $(PYTHON) was not found" >&2; exit 1; }
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

lock:  ## pin the newest dependencies again (requirements.lock)
	$(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11 --extra dev --extra bench pyproject.toml -o requirements.lock

test: env  ## fast tests first, then the workflow on the mini camera, then a mini night on SLURM
	$(BIN)/python -m pytest -q tests

clean:  ## remove what was made here (never the environment)
	rm -rf demo work .snakemake .pytest_cache .ruff_cache .hypothesis .import_linter_cache
