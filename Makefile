# make run: everything, on http://127.0.0.1:9999 (PORT, BIND, SPARKS=real, SPARKCONTROL_DATA_DIR)
# make test: every check and test. The rest is in docs/development.md.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# More processes than cores: most tests wait for others. Unit tests come last, because they fill every gap.
SPREAD := --no-loadscope-reorder --dist loadfile

# Every process of ours would compile all modules afresh, which takes two seconds each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run install install-dev lint test soak soak-lock bench lock clean

run: install
	@$(BIN)/python -m sparkcontrol.supervisor

install:
	@$(PYTHON) -m sparkcontrol.install requirements.txt $(VENV)

install-dev: install
	@$(PYTHON) -m sparkcontrol.install requirements-dev.txt $(VENV)

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run

# A test that fails beside another one gets a second try alone: real processes and deadlines share two cores here.
ALONE := --last-failed --last-failed-no-failures none

test: lint
	$(BIN)/python -m pytest $(SPREAD) -n 4 tests/integration tests/unit || $(BIN)/python -m pytest tests/integration tests/unit $(ALONE)
	$(BIN)/python -m pytest $(SPREAD) -n 3 tests/acceptance || $(BIN)/python -m pytest tests/acceptance $(ALONE)

# 200 swaps while parts fail at random: about ten minutes. SOAK_SEED=... repeats a run's choices.
soak: install-dev
	SOAK=1 $(BIN)/python -m pytest tests/acceptance/faults/test_soak.py -s

# 20 processes, 50 attempts each, on both databases: about ten minutes.
soak-lock: install-dev
	SOAK_LOCK=1 $(BIN)/python -m pytest tests/acceptance/swaps/test_lock_race.py -s

bench: install-dev
	@$(BIN)/python -m bench

lock:
	$(BIN)/uv pip compile --quiet --universal --generate-hashes -p 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes -p 3.11 -c requirements.txt requirements-dev.in -o requirements-dev.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis test-results bench.json
