# make demo   set up, train on the embedded digits, leave pictures to look at
# make test   set up and run the tests          make lint   style, types, and the docs as a site
# make docs   the documentation as a site, build/site
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   ?= runs/demo

.PHONY: help setup demo test lint format docs clean
help:
	@sed -n '1,3s/^# //p' Makefile

setup: $(VENV)/ready

$(VENV)/ready: pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (once; a minute or two, mostly PyTorch)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "unstir needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup
	@rm -rf $(DEMO)
	@$(BIN)/unstir train --data digits --process poisson:D=128 --minutes 1 --out $(DEMO)

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(MAKE) --no-print-directory lint-page docs

# The page's modules, by their JSDoc. TypeScript is fetched once, outside git; without npm this is left out.
TSC := $(VENV)/typescript/node_modules/.bin/tsc
lint-page:
	@if ! command -v npm >/dev/null; then echo "types of the page: not checked, for there is no npm"; \
	elif [ -x $(TSC) ] || npm install --silent --no-fund --no-audit --prefix $(VENV)/typescript typescript@5.9; \
	then $(TSC) -p . && echo "types of the page: no errors"; \
	else echo "types of the page: not checked, for npm could not fetch TypeScript"; fi

format: setup
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

docs: setup
	@rm -rf build/site
	@$(BIN)/python -m sphinx -q -W --keep-going -b html -d build/doctrees docs build/site
	@echo "open    build/site/index.html"

clean:
	rm -rf $(VENV) runs build dist .mypy_cache .ruff_cache .pytest_cache
