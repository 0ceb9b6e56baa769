# What people type, and what CI calls. `make` alone lists it.
PYTHON ?= python3
MACHINE_PATH := $(PATH)
# All else comes from .venv and node_modules, which `install` fills from the locks with the machine's own Python.
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/.venv

.DEFAULT_GOAL := help
.PHONY: help install demo shop test check prove scan format lock wheel bench snapshots clean

help: ## Show this list
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r verb text; do printf '  %-16s %s\n' "$$verb" "$$text"; done

install: ## Install what is needed into .venv and node_modules (the others do it too)
	@PATH="$(MACHINE_PATH)" command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11 or newer, or name yours: make PYTHON=..."; exit 1; }
	@PATH="$(MACHINE_PATH)" $(PYTHON) tools/bootstrap.py

demo: install ## Deploy every pattern on this machine, use it, show what happened, stop everything
	@python -m serverless_patterns.local demo

shop: install ## Deploy the shop of the examples on this machine: all patterns in one system, and the story of ten orders
	@python -m examples.shop

test: install ## Run all tests, those on the emulator included
	@pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: install ## Lint, types, and whether the locks are fresh
	@ruff check --quiet .
	@ruff format --check --quiet .
	@mypy
	@python tools/locks.py --check

prove: install ## Print the proof of each pattern: permissions, mutants, alarms, findings, traps
	@python tools/prove.py

scan: install ## Print what the scanners find, and keep it in docs/security.md
	@python tools/scan.py --write

format: install ## Format the code and mend what can be mended
	@ruff check --fix .
	@ruff format .

lock: install ## Compile the locks anew from pyproject.toml and the .in files
	@python tools/locks.py

wheel: install ## Build the wheel, and use it from a foreign app in a clean environment
	@python tools/check_wheel.py

snapshots: install ## Write the snapshots of the templates anew, and what is new into the contract: look at the diff
	@pytest -q tests/snapshots tests/contracts --update-snapshots

bench: install ## Print the figures of docs/performance.md
	@python benchmarks/synth.py
	@python benchmarks/cold_start.py
	@python benchmarks/pipeline.py
	@python benchmarks/s3_processing.py
	@python benchmarks/report.py

clean: ## Remove what was installed and built here
	rm -rf .venv .uv node_modules cdk.out dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .serverless-patterns
