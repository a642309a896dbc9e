# Every verb, with a line about it: make help
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
.NOTPARALLEL:

PYTHON ?=
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2
PYTEST_ARGS ?=

# Where `run` finds its settings; the file is in the repository and works as it is.
RUN_ARGS ?= --embedded-broker

PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet --quiet
PYTEST := $(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal $(PYTEST_ARGS)

.PHONY: help setup run test check lint format types contracts bench sim docs mosquitto clean

help: ## print this list
	@echo "Alicia Scheduler: make <verb>"
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 14

# ---------------------------------------------------------------- the environment

setup: $(VENV)/.stamp-dev ## make .venv with the program, its tests and its checks, at the pinned versions
	@echo "ready: $(BIN)/alicia-scheduler --help"

# An environment without a working interpreter is made anew, so what was installed in it does not count.
$(shell [ -x $(BIN)/python ] || rm -f $(VENV)/.stamp-*)

# One stamp a set of extras: installed again only when pyproject.toml or constraints.txt changed.
$(VENV)/.stamp-run: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,.,the program)

$(VENV)/.stamp-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,.[dev],the program and what its tests need)
	@touch $(VENV)/.stamp-run

$(VENV)/.stamp-bench: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,.[bench],the program and what the benchmark compares with)

define install
@echo "installing $(2) into $(VENV) (once; again when pyproject.toml or constraints.txt changes)"
@$(PIP) install --constraint constraints.txt --editable '$(1)' || { \
  echo "make: the installation failed; the lines above say why. Without a network, point pip to a mirror (PIP_INDEX_URL)."; exit 1; }
@touch $@
endef

$(BIN)/python:
	@python="$$(./.ci/find-python $(PYTHON))" && echo "making $(VENV) with $$python" && \
	{ "$$python" -m venv --clear $(VENV) || { rm -rf $(VENV); \
	  echo "make: $$python cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }; }

mosquitto: ## install the Mosquitto broker that the tests start, if it is missing
	@./.ci/ensure-mosquitto

# ---------------------------------------------------------------- the program

run: $(VENV)/.stamp-run ## start the service with a broker of its own; Ctrl-C stops it
	@exec $(BIN)/alicia-scheduler run $(RUN_ARGS)

bench: $(VENV)/.stamp-bench mosquitto ## measure fires per second, lateness, start-up and memory, beside APScheduler
	@$(BIN)/python -m bench

SEED ?=
DAYS ?=
MUTATIONS ?=

sim: $(VENV)/.stamp-dev ## simulate days of faults on a virtual clock (SEED= DAYS=), or plant faults (MUTATIONS=1)
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(DAYS),--days $(DAYS)) $(if $(MUTATIONS),--mutations)

docs: $(VENV)/.stamp-dev ## write the references in docs/ again from the code
	@$(BIN)/python docs/generate.py

# ---------------------------------------------------------------- the checks

test: $(VENV)/.stamp-dev mosquitto ## run every test, with a real Mosquitto
	@$(PYTEST)

check: lint types contracts test ## what CI runs: lint, types, import contracts and the same tests

lint: $(VENV)/.stamp-dev ## check style and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "make: some files are not formatted; run: make format"; exit 1; }

format: $(VENV)/.stamp-dev ## format the code and mend what can be mended
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

types: $(VENV)/.stamp-dev ## check the types of package and tests
	@$(BIN)/mypy

contracts: $(VENV)/.stamp-dev ## check who imports whom
	@$(BIN)/lint-imports --no-logo

clean: ## remove the environment and everything that was made; the data of the service stays
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
