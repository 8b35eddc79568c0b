# Everything here sets itself up: a virtual environment is built from the lock file on first use and
# again only when a lock file or pyproject.toml changes. Needs Python 3.11+ and make, nothing else.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN    := $(VENV)/.run-ready
DEV    := $(VENV)/.dev-ready
# --no-deps: the lock files are whole, so pip has nothing to resolve; left to resolve, it refused a lock
# as soon as an extra's newer release appeared in the index
PIP     = $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile --no-deps --require-hashes

.PHONY: help venv demo test test-long kit check fix bench real-input schemas docs lock clean
.DEFAULT_GOAL := help

help:  ## Show these commands
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Spillway needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 demo")'
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }

$(RUN): requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Setting up Spillway in $(VENV) from requirements.lock (once; a minute or two) ..."
	@$(PIP) -r requirements.lock
	@# all but the hundred services of pulumi_gcp that nobody here imports: that would take minutes
	@$(BIN)/python -m compileall -q -j 0 -x 'pulumi_gcp/(?!compute/|networkservices/)[^/]+/' $(VENV)/lib
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements-dev.lock $(RUN)
	@echo "Adding the test and lint tools from requirements-dev.lock (once) ..."
	@$(PIP) -r requirements-dev.lock
	@touch $@

venv: $(RUN)  ## Make the virtual environment and nothing else; plain Pulumi runs in it

demo: $(RUN)  ## Run the whole thing on a simulated Google Cloud, in two minutes
	@$(BIN)/spillway demo $(ARGS)

test: $(DEV)  ## Run the tests
	@$(BIN)/python -m pytest $(ARGS)

test-long: $(DEV)  ## Run the long simulations too, before an issue is done
	@$(BIN)/python -m pytest -m long $(ARGS)

kit: $(DEV)  ## Let a real Prometheus judge rules, alerts and dashboards
	@if command -v prometheus >/dev/null && command -v promtool >/dev/null; then \
	  $(BIN)/python -m pytest -n0 -m kit tests/kit $(ARGS); \
	else echo "SKIPPED LOUDLY: Prometheus is not installed, so rules, alerts and dashboards are not judged; on Debian and Ubuntu: apt-get install prometheus"; fi

check: $(DEV)  ## Format, lint, types, import contracts, duplicates, Dockerfile
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/pylint --disable=all --enable=duplicate-code daemon/spillway
	@if [ -x $(BIN)/hadolint ]; then $(BIN)/hadolint Dockerfile; else echo "SKIPPED LOUDLY: no hadolint for this machine; the Dockerfile is not linted"; fi

fix: $(DEV)  ## Format and mend what the linters can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(DEV)  ## Measure the figures that the docs name
	@$(BIN)/python -m tests.bench $(ARGS)

real-input: $(DEV)  ## Six hours of recorded traffic through the real daemon (needs shared traces)
	@$(BIN)/python -m tests.e2e.real_input

schemas: $(DEV)  ## Trim the published API schemas anew, from the installed documents
	@$(BIN)/python -m tests.sandbox.trim

docs: $(DEV)  ## Write the generated pages of docs/ anew
	@$(BIN)/python -m spillway docs docs
	@$(BIN)/python -m tests.kit.alarm_rules
	@$(BIN)/python -m tests.kit.dashboards

lock: | $(VENV)/bin/python  ## Resolve the lock files anew (the only command that picks versions)
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --group build --output-file requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --group build --group test --group lint --constraint requirements.lock --output-file requirements-dev.lock

clean:  ## Remove what the commands made
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
