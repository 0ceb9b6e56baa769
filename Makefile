# What people type, and what CI calls. `make` alone lists it.
PYTHON ?= python3
MACHINE_PATH := $(PATH)
# All else comes from .venv and node_modules, which `ready` fills from the locks with the machine's own Python.
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/.venv

.DEFAULT_GOAL := help
.PHONY: help ready demo test check format lock wheel bench snapshots clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

ready:
	@PATH="$(MACHINE_PATH)" command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11 or newer, or name yours: make PYTHON=..."; exit 1; }
	@PATH="$(MACHINE_PATH)" $(PYTHON) tools/bootstrap.py

demo: ready ## Deploy every pattern on this machine, use it, show what happened, stop everything
	@python -m serverless_patterns.local demo

test: ready ## Run all tests, those on the emulator included
	@pytest

check: ready ## Lint, types, and whether the locks are fresh
	@ruff check --quiet .
	@ruff format --check --quiet .
	@mypy
	@python tools/locks.py --check

format: ready ## Format the code and mend what can be mended
	@ruff check --fix .
	@ruff format .

lock: ready ## Compile the locks anew from pyproject.toml and the .in files
	@python tools/locks.py

wheel: ready ## Build the wheel, and use it from a foreign app in a clean environment
	@python tools/check_wheel.py

snapshots: ready ## Write the snapshots of the templates anew: look at the diff
	@pytest -q tests/snapshots --update-snapshots

bench: ready ## Print the figures of docs/performance.md
	@python benchmarks/synth.py
	@python benchmarks/cold_start.py

clean: ## Remove what was installed and built here
	rm -rf .venv .uv node_modules cdk.out dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .serverless-patterns
