PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OLDEST := .venv-oldest

.PHONY: demo test lint types diagrams diagrams-check sample properties simulate live test-oldest clean

demo: $(READY)
	$(BIN)/realtime-fsm demo

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check --output-format concise .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

diagrams: $(READY)
	$(BIN)/realtime-fsm diagrams
	$(BIN)/python -c "from realtime_fsm.simulator import rules_table as t; print(t(), end='')" > docs/rules.md
	$(BIN)/python -c "from pathlib import Path; from realtime_fsm.testing.corpus._page import write; write(Path('docs'))"

diagrams-check: $(READY)
	$(BIN)/realtime-fsm diagrams --check

# The sample call of docs/report.md and its page.
sample: $(READY)
	$(BIN)/python docs/sample/make.py

# Long: the random histories with many examples.
properties: $(READY)
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest tests/properties

# Long: a thousand random calls for each profile of faults.
simulate: $(READY)
	for profile in none mild rough hostile; do \
		$(BIN)/realtime-fsm simulate --calls 1000 --faults $$profile || exit 1; done

# Needs OPENAI_API_KEY and costs a few cents: asks the real service which of the assumed rules hold.
live: $(READY)
	$(BIN)/python -m realtime_fsm.simulator.live

# The oldest livekit-agents whose facts we rely on. Its own warnings are not ours to fix.
test-oldest: $(OLDEST)/.ready
	$(OLDEST)/bin/python -m pytest -W default tests/livekit tests/demo

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

clean:
	rm -rf $(VENV) $(OLDEST) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
