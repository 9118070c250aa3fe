PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OLDEST := .venv-oldest

.PHONY: help demo test lint types docs package matrix hooks diagrams diagrams-check properties explore simulate scenarios live test-oldest clean

# Four short calls, plain LiveKit and controlled, side by side.
demo: $(READY)
	$(BIN)/realtime-fsm demo

# The tests.
test: $(READY)
	$(BIN)/python -m pytest

# What there is to make.
help:
	@awk '/^# /{words=words" "substr($$0,3);next} /^[a-z-]+:/{sub(/:.*/,"");printf "%-15s%s\n",$$0,words} {words=""}' Makefile

# Style and formatting.
lint: $(READY)
	$(BIN)/ruff check --output-format concise .
	$(BIN)/ruff format --check .

# Types: mypy over the package, and both checkers over what a user would write.
types: $(READY)
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	$(BIN)/pyright --pythonpath $(BIN)/python

# The documentation, to build/docs; a warning is an error.
docs: $(READY)
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d build/doctrees docs build/docs
	@echo "build/docs/index.html"

# Wheel and sdist to dist/, installed and tried out in an empty environment (a minute).
package: $(READY)
	rm -rf dist
	$(BIN)/python -m build -q --no-isolation
	$(BIN)/python -m tests.package dist

# Long: the tests on each Python that is installed, with the oldest and the newest livekit-agents.
matrix: $(READY)
	$(BIN)/python -m pip install -q -c constraints.txt --group matrix
	$(BIN)/python -m nox

# Format, lint and types before each commit.
hooks: $(READY)
	git config core.hooksPath .hooks

# The generated pictures and pages anew.
diagrams: $(READY)
	$(BIN)/realtime-fsm diagrams
	$(BIN)/python -c "from realtime_fsm.simulator import rules_table as t; print('# The rules of the server\n\nGenerated from the code that enforces them.\n\n' + t(), end='')" > docs/rules.md
	$(BIN)/python -c "from pathlib import Path; from realtime_fsm.testing.corpus._page import write; write(Path('docs'))"
	$(BIN)/realtime-fsm scenarios --page > docs/scenarios.md

# Are the generated pictures fresh?
diagrams-check: $(READY)
	$(BIN)/realtime-fsm diagrams --check

# Long: the random histories with many examples.
properties: $(READY)
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest tests/properties

# Long: every order of events within the default bound.
explore: $(READY)
	$(BIN)/realtime-fsm explore

# Long: a thousand random calls for each profile of faults.
simulate: $(READY)
	for profile in none mild rough hostile; do \
		$(BIN)/realtime-fsm simulate --calls 1000 --faults $$profile || exit 1; done

# All scenarios, plain and controlled, and then each field of each frame wrong (minutes).
scenarios: $(READY)
	$(BIN)/realtime-fsm scenarios
	$(BIN)/realtime-fsm scenarios --bad-input

# Needs OPENAI_API_KEY and costs a few cents: asks the real service which of the assumed rules hold.
live: $(READY)
	$(BIN)/python -m realtime_fsm.simulator.live

# The oldest livekit-agents whose facts we rely on. Its own warnings are not ours to fix.
test-oldest: $(OLDEST)/.ready
	$(OLDEST)/bin/python -m pytest -W default tests/livekit tests/demo tests/scenarios

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade "pip>=25.1"
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[openai]" --group dev
	touch $@

$(OLDEST)/.ready: pyproject.toml constraints-oldest.txt
	test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install -q --upgrade "pip>=25.1"
	$(OLDEST)/bin/python -m pip install -q -c constraints-oldest.txt -e ".[openai]" --group test
	touch $@

# Remove what was made.
clean:
	rm -rf $(VENV) $(OLDEST) .nox build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
