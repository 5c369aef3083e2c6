# Targets for people; `make help` lists them. Needs Python 3.11 or newer with venv, and nothing else.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
LOCKED := $(BIN)/.locked
READY := $(BIN)/.ready
SOURCES := mesh services cli tests benchmarks tools

.PHONY: help setup demo run test check bench fuzz chaos lock generate clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with everything in it; costs nothing when it is there

$(LOCKED): requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Pagemesh needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

$(READY): $(LOCKED) pyproject.toml $(wildcard tools/traineddata.py)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	test ! -f tools/traineddata.py || $(BIN)/python tools/traineddata.py
	touch $@

demo: setup ## Start everything, read the samples, show what is found, stop
	$(BIN)/python -m cli.demo

run: setup ## Start everything on PORT (8000) and keep it running until Ctrl-C
	@echo "New organizations get the tier $${PAGEMESH_DEFAULT_TIER:-free}; PAGEMESH_DEFAULT_TIER=pro or enterprise raises its limits,"
	@echo "and .venv/bin/pagemesh admin set-tier those of one organization."
	$(BIN)/pagemesh up --port $(PORT)

test: check ## Check, then run every test
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: setup ## Lint, formats, types, boundaries, protos, generated code
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	@base=HEAD; git diff --quiet HEAD -- protos 2>/dev/null && base=HEAD~1; \
	  if git cat-file -e $$base:protos 2>/dev/null; then $(BIN)/buf breaking --against ".git#ref=$$base"; fi
	@generated=$$(mktemp -d) && trap 'rm -rf "$$generated"' EXIT && tools/generate.sh "$$generated" \
	  && diff -r -x __pycache__ "$$generated/pagemesh" gen/pagemesh && echo "Generated code is up to date."

bench: setup ## Run the benchmarks
	$(BIN)/python -m benchmarks

fuzz: setup ## Send generated requests for minutes; every answer has to be one that the OpenAPI documents allow
	$(BIN)/pytest tests/promises/test_contract.py -m 'long or not long'

chaos: setup ## Kill processes while documents are being read; nothing may be lost
	$(BIN)/pytest tests/chaos -m 'long or not long'

lock: setup ## Write requirements.lock anew from pyproject.toml
	test -x .tools/uv/bin/uv || { $(PYTHON) -m venv .tools/uv && .tools/uv/bin/pip install --quiet uv; }
	.tools/uv/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --python-version 3.11 --all-extras pyproject.toml -o requirements.lock

generate: setup ## Generate gen/ from protos/
	tools/generate.sh

clean: ## Remove what was made, the virtual environments included
	rm -rf .venv .tools .cache build *.egg-info .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
