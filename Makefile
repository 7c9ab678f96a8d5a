PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
# Images of Python often say this, and uv compiles nothing: each command would compile every library anew, for seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: train test up fetch bench lock audit

train: $(READY)  ## environment, then train, sweep, register and promote on data/raw (or the demo shop)
	$(BIN)/segments train --promote

test: $(READY)  ## ruff, mypy and the whole test suite
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/detect-secrets-hook --no-verify $$(git ls-files)
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

up: $(READY)  ## analytics 5000, scoring 5001, MLflow UI 5002; Ctrl-C stops all
	$(BIN)/segments up

fetch: $(READY)  ## the UCI Online Retail data into data/raw
	$(BIN)/segments fetch

# The first line of uv's entry in the lock to the last of its hashes: uv is installed first, and installs the rest.
UV_ENTRY := sed -n '/^uv==/,/[^\\]$$/p' requirements.lock

$(READY): requirements.lock pyproject.toml
	test -d .venv || $(PYTHON) -m venv .venv
	@echo "Installing the locked packages (uv first, which installs the rest; pip if it cannot) ..."
	@$(UV_ENTRY) > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r .venv/uv.lock \
		&& $(BIN)/uv pip install --python $(BIN)/python --no-deps --require-hashes -r requirements.lock \
		|| $(BIN)/python -m pip install --no-deps --require-hashes -r requirements.lock
	@echo "Installing this project ..."
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable . \
		|| $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

bench: $(READY)  ## the project's own methods beside the usual way; best on a machine that does nothing else
	$(BIN)/python benchmarks/command.py
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/busy.py
	$(BIN)/python benchmarks/features.py
	$(BIN)/python benchmarks/whole.py
	$(BIN)/python benchmarks/scoring.py
	$(BIN)/python benchmarks/analytics.py
	$(BIN)/python benchmarks/lists.py

lock:  ## renew requirements.lock from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra fast --extra postgres --extra mysql --extra s3 --extra dev --universal \
		--generate-hashes --no-emit-index-url --no-header --python-version 3.11 --output-file requirements.lock

audit: $(READY)  ## known vulnerabilities of the locked packages; asks the package index, and fails where it cannot
	$(BIN)/uv tool run pip-audit --strict --requirement requirements.lock --disable-pip
