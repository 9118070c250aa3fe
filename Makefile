PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
READY := $(VENV)/.ready
OLDEST := .venv-oldest
NEXT := .venv-next
MUTMUT := .venv-mutants
# A file of tests runs whole in one of two processes: some share what took long to make.
BOTH := --numprocesses 2 --dist loadfile
# What is compiled is kept: without, both processes compile 900 files anew, and what tests start does.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo watch watched test test-long test-quick heard inject judge lint types docs package matrix hooks diagrams diagrams-check sample properties row-mutants mutants bench bench-page explore simulate scenarios fuzz soak crowd conform-proof live providers scale test-oldest next clean

# Four short calls, plain LiveKit and controlled, side by side. Installs what these need.
demo: $(RUNS)
	$(BIN)/realtime-fsm demo

# The same four calls in the browser, while they run: open the address that it prints.
watch: $(RUNS)
	$(BIN)/realtime-fsm demo --watch

# The tests, of what takes long a sample: five to seven minutes on two cores.
test: $(READY)
	$(BIN)/python -m pytest $(BOTH) -m "not long"

# Long (three to six minutes): the rest of the tests, and the random ones with more examples.
test-long: $(READY)
	HYPOTHESIS_PROFILE=ci $(BIN)/python -m pytest $(BOTH) -m "long or hypothesis"

# The core, the corpus and the adapter: a minute.
test-quick: $(READY)
	$(BIN)/python -m pytest -q $(BOTH) -m "not long" tests/core tests/corpus tests/livekit

# What there is to make.
help:
	@awk '/^# /{words=words" "substr($$0,3);next} /^[a-z-]+:/{sub(/:.*/,"");printf "%-15s%s\n",$$0,words} /^(\t|$$)/{words=""}' Makefile

# Style and formatting.
lint: $(READY)
	$(BIN)/ruff check --output-format concise .
	$(BIN)/ruff format --check .

# Types: mypy over the package, and both checkers over what a user would write.
types: $(READY)
	$(BIN)/mypy
	$(BIN)/mypy tests/typing tests/conform
	$(BIN)/pyright --pythonpath $(BIN)/python

# The documentation, to build/docs; a warning is an error.
docs: $(READY)
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d build/doctrees docs build/docs
	@echo "build/docs/index.html"

# Wheel and sdist to dist/, installed and tried out in an empty environment (a minute). A release
# also gets REPOSITORY=https://host/owner/name, where its pages and pictures are.
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
	$(BIN)/realtime-fsm diagrams --output diagrams
	$(BIN)/python -c "from realtime_fsm.simulator import rules_table as t; print('# The rules of the server\n\nGenerated from the code that enforces them.\n\n' + t(), end='')" > docs/rules.md
	$(BIN)/python -c "from realtime_fsm.simulator.gpt_live import live_rules_table as t; print('# The rules of the GPT-Live server\n\nGenerated from the code that enforces them.\n\n' + t(), end='')" > docs/gpt-live-rules.md
	$(BIN)/python -c "from pathlib import Path; from realtime_fsm.testing.corpus._page import write; write(Path('docs'))"
	$(BIN)/realtime-fsm scenarios --page > docs/scenarios.md
	$(BIN)/python -m tests.properties.page > docs/guarantees.md

# Are the generated pictures fresh?
diagrams-check: $(READY)
	$(BIN)/realtime-fsm diagrams --check

# The sample call of docs/report.md anew.
sample: $(RUNS)
	$(BIN)/python docs/sample/make.py

# Long: the random histories with many examples, and the walks through what the search drops.
properties: $(READY)
	HYPOTHESIS_PROFILE=nightly WALKS=500 $(BIN)/python -m pytest tests/properties tests/explore/test_abstraction.py

# Every rule of the three tables broken in five ways (seconds): something must fail for each.
row-mutants: $(READY)
	$(BIN)/python -m tests.mutants.rows --json row-mutants.json

# Long: small changes to the code of the core (an hour on two cores): which tests fail? Only what
# changed since the last run is run again. `make mutants ARGS="realtime_fsm._core.lane*"`: some of it.
# On a cluster: `python -m tests.mutants.code run --dask ADDRESS`, and `tests.mutants.rows --dask ADDRESS`.
mutants: $(MUTMUT)/.ready
	HYPOTHESIS_PROFILE=short $(MUTMUT)/bin/mutmut run --max-children 2 $(ARGS)
	$(MUTMUT)/bin/python -m tests.mutants.code

# Long: every order of events within the default bound.
explore: $(RUNS)
	$(BIN)/realtime-fsm explore

# Long (five minutes): everything measured side by side, to build/bench.json.
bench: $(READY)
	$(BIN)/python -m benchmarks

# The same, and docs/performance.md written anew.
bench-page: $(READY)
	$(BIN)/python -m benchmarks --page

# Every cell of docs/history.md, and random playback with many examples. A minute or two.
heard: $(READY)
	HEARD=all HYPOTHESIS_PROFILE=ci $(BIN)/python -m pytest tests/heard

# Long (two hours): an exception in each function of core and adapter, once and from then on.
# `make inject INJECT=3/20`: the third of twenty parts.
INJECT ?= all
inject: $(READY)
	INJECT=$(INJECT) $(BIN)/python -m pytest tests/aside/test_inject.py

# Long (half an hour, and goes on where it was stopped): agents whose responses fail one by one, a thousand
# healthy random calls and what is planted in them, five hundred that fail, and nine hundred lived twice.
# `make judge ARGS="--shard 0/4"`: a part of it.
judge: $(READY)
	$(BIN)/python -m tests.judge $(ARGS)

# Long: a thousand random calls for each profile of faults.
simulate: $(RUNS)
	for profile in none mild rough hostile; do \
		$(BIN)/realtime-fsm simulate --calls 1000 --faults $$profile || exit 1; done

# All scenarios, plain and controlled, and then each field of each frame wrong (minutes).
scenarios: $(RUNS)
	$(BIN)/realtime-fsm scenarios
	$(BIN)/realtime-fsm scenarios --bad-input

# Long: coverage-guided fuzzing; SECONDS_EACH for each of the two targets.
SECONDS_EACH ?= 300
fuzz: $(READY)
	$(BIN)/python -m pip install -q -c constraints.txt --group fuzz
	mkdir -p .fuzz/parser .fuzz/controller
	for target in parser controller; do \
		$(BIN)/python -m tests.fuzz $$target -max_total_time=$(SECONDS_EACH) -max_len=600 \
			-artifact_prefix=.fuzz/ .fuzz/$$target || exit 1; done

# Long: real sessions over real sockets with faults; fails if memory, tasks, timers or sockets grow.
MINUTES ?= 10
soak: $(READY)
	$(BIN)/python -m tests.robustness.soak --minutes $(MINUTES)

# A thousand sessions in one process, in virtual time.
crowd: $(READY)
	$(BIN)/python -m tests.robustness.crowd --sessions 1000

# Long: how late the page of watched calls is, what it costs a worker, an hour's call, 200 sources for MINUTES.
watched: $(READY)
	$(BIN)/python -m tests.watch.measure latency
	$(BIN)/python -m tests.watch.measure cpu
	$(BIN)/python -m tests.watch.measure hour
	$(BIN)/python -m tests.watch.measure restart
	$(BIN)/python -m tests.watch.measure crowd --minutes $(MINUTES)

# What conform finds of the simulator with each switch set wrong, ten times each. A minute and a half.
conform-proof: $(READY)
	$(BIN)/python -m tests.conform.proof 10

# Needs OPENAI_API_KEY and costs less than half a dollar: grades the real service, and writes docs/live.md.
live: $(READY)
	$(BIN)/python docs/live/make.py

# The plugins of all providers (200 MB), and every call with each of them (four minutes).
providers: $(READY)
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[providers]"
	PROVIDERS=all $(BIN)/python -m pytest $(BOTH) tests/providers tests/docs/test_testing_page.py

# Calls on a Dask cluster on loopback, whose workers and scheduler die, against this machine (two minutes).
scale: $(READY)
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[scale]"
	$(BIN)/python -m pytest tests/scale

# The oldest livekit-agents whose facts we rely on. Its own warnings are not ours to fix.
test-oldest: $(OLDEST)/.ready
	$(OLDEST)/bin/python -m pytest -W default $(BOTH) tests/livekit tests/demo tests/scenarios tests/corpus tests/heard

# What the newest releases would have us change, pre-releases too, past our own bounds (five minutes).
next:
	test -x $(NEXT)/bin/python || $(PYTHON) -m venv $(NEXT)
	$(NEXT)/bin/python -m tests.next.install
	$(NEXT)/bin/python -m tests.next

# What a user has: this package, LiveKit and its OpenAI plugin.
$(RUNS): pyproject.toml constraints.txt
	@echo "Making $(VENV) with LiveKit and its OpenAI plugin: 80 packages, about a minute"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[openai]"
	@touch $@

$(READY): $(RUNS)
	@echo "Adding what tests, types and documentation need: 60 packages more"
	@$(BIN)/python -m pip install -q --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install -q -c constraints.txt --group dev
	@touch $@

$(OLDEST)/.ready: pyproject.toml constraints-oldest.txt
	test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install -q --upgrade "pip>=25.1"
	$(OLDEST)/bin/python -m pip install -q -c constraints-oldest.txt -e ".[openai]" --group test
	touch $@

# The core alone needs no LiveKit; with its plugin missing pytest is quicker too.
$(MUTMUT)/.ready: pyproject.toml constraints.txt
	test -x $(MUTMUT)/bin/python || $(PYTHON) -m venv $(MUTMUT)
	$(MUTMUT)/bin/python -m pip install -q --upgrade "pip>=25.1"
	$(MUTMUT)/bin/python -m pip install -q -c constraints.txt "mutmut>=3.8,<4" "transitions>=0.9.3,<0.10" pydantic --group test
	touch $@

# Remove what was made.
clean:
	rm -rf $(VENV) $(OLDEST) $(NEXT) $(MUTMUT) .nox mutants row-mutants.json build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz
