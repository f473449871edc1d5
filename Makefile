# One command creates the environment and serves the dashboard, one creates it and runs the tests.
PYTHON ?= python3
ADDRESS ?= 127.0.0.1
PORT ?= 5006
BIN := .venv/bin
READY := .venv/.ready

.PHONY: serve test slow lint bench docs install clean

serve: $(READY)
	@echo "StoqLab: http://$(ADDRESS):$(PORT)/dashboard"
	$(BIN)/panel serve dashboard --address $(ADDRESS) --port $(PORT) \
		--allow-websocket-origin $(ADDRESS):$(PORT) --allow-websocket-origin localhost:$(PORT) \
		--unused-session-lifetime 120000 --log-level warning

test: $(READY)
	$(BIN)/python -m pytest -n auto --dist loadgroup -rs

slow: $(READY)
	$(BIN)/python -m pytest -m slow -rs

bench: $(READY)
	$(BIN)/python -m pytest -m benchmark --benchmark-group-by=group --benchmark-columns=median,iqr,rounds -s

docs: $(READY)
	$(BIN)/python -m sphinx -q -W --keep-going docs docs/_build
	@echo "docs/_build/index.html"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pyright

install: $(READY)

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "StoqLab needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $(READY)

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .benchmarks
