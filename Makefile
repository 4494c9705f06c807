# Every command sets up what it needs: a virtual environment in .venv with hash-pinned packages.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export STUDBOOK_HOME ?= $(CURDIR)/.demo
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.PHONY: help demo serve test lint format bench lock docs clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(VENV)/.demo-ready ## train real models, register them, show their pedigree (ARGS=--exit stops the server at the end)
	@$(BIN)/studbook demo $(ARGS)

serve: $(VENV)/.demo-ready ## start a registry on a file in .demo/
	@$(BIN)/studbook serve $(ARGS)

test: lint ## lint, types, import contracts, and every test on SQLite and PostgreSQL
	@echo "tests" && $(BIN)/python -m pytest -n 2 --dist=loadfile $(ARGS)

lint: $(VENV)/.dev-ready ## only lint, types and import contracts
	@echo "lint" && $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "types" && $(BIN)/mypy
	@echo "import contracts" && $(BIN)/lint-imports --no-cache

format: $(VENV)/.dev-ready ## put the source in order
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: $(VENV)/.dev-ready ## measure both engines against hand-made SQL and print one table
	@$(BIN)/python -m bench $(ARGS)

lock: $(VENV)/.dev-ready ## renew the pinned packages in requirements/
	@BIN=$(BIN) sh requirements/lock.sh

docs: $(VENV)/.dev-ready ## write the reference pages from the code
	@$(BIN)/python docs/reference/generate.py

clean: ## remove the environment and the demo's files
	@rm -rf $(VENV) .demo

$(VENV)/.demo-ready: requirements/demo.txt pyproject.toml
	@sh requirements/install.sh "$(PYTHON)" $(VENV) $<
	@touch $@

$(VENV)/.dev-ready: requirements/dev.txt pyproject.toml
	@sh requirements/install.sh "$(PYTHON)" $(VENV) $<
	@touch $@ $(VENV)/.demo-ready
