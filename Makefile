# Every habit has a target; `make` prints them. Each works on a fresh clone.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
T ?=

.PHONY: help setup demo test unit contract integration e2e chaos security reliability bench fmt lint types check lock openapi migration migrate up down dev ci clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## a virtual environment in .venv with everything, from the lock file

$(STAMP): requirements.lock pyproject.toml deploy/setup.sh
	@PYTHON="$(PYTHON)" bash deploy/setup.sh $(VENV)
	@touch $@

demo: setup ## start on the embedded default, optimise a 33-bus feeder over HTTP, prove the result
	@$(BIN)/busbar demo

# Everything and whole levels run in several processes (BUSBAR_TEST_WORKERS=1: in one); docs/guides/testing.md.
test: setup ## every automated test, on real Postgres and RabbitMQ
	@$(BIN)/python -m tests.support.run $(T)

unit contract integration e2e chaos security: setup ## one level of the tests (T=path narrows)
	@$(BIN)/python -m tests.support.run $(if $(T),$(T),tests/$@)

reliability: setup ## every test, and docs/reliability.md from how they ended
	@BUSBAR_TEST_RELIABILITY_REPORT=docs/reliability.md $(BIN)/python -m tests.support.run

bench: setup ## all benchmarks, as ratios, into benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks.run $(T)

fmt: setup ## format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix-only --quiet .

lint: setup ## format check, lint, import rules, dead code
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/lint-imports && $(BIN)/vulture

types: setup ## mypy, strict
	@$(BIN)/mypy

check: lint types unit contract ## what must be green before a commit

lock: ## resolve the dependencies anew (needs uv)
	@bash deploy/lock.sh

openapi: setup ## rewrite the committed OpenAPI documents
	@for file in docs/openapi/*.json; do $(BIN)/busbar openapi $$(basename $$file .json) > $$file || exit 1; done

migration: setup ## a new migration: make migration m="what it does"
	@$(BIN)/alembic -c shared/db/migrations/alembic.ini revision -m "$(m)"

migrate: setup ## bring the database of BUSBAR_DATABASE_URL to the newest migration
	@$(BIN)/busbar migrate

dev: setup ## everything in one process on the embedded default
	@$(BIN)/busbar up --log-format console

up: ## the compose stack
	@docker compose up --build --detach --wait

down: ## stop the compose stack
	@docker compose down

ci: lint types test ## everything

clean: ## remove what the machine made here
	@rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis
