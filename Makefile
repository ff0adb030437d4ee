# Everything begins here: `make demo` or `make test` on a machine with Python 3.11 or newer, git and make.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The first of these that is one of the versions the locks are tried with, then any newer one.
PYTHONS := python3 python3.13 python3.12 python3.11 python
FIND_PYTHON = for newest in 13 99; do for python in $(or $(PYTHON),$(PYTHONS)); do \
	if $$python -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $$newest))" 2>/dev/null; \
	then command -v $$python; exit 0; fi; done; done; \
	echo "Tidemill needs Python 3.11 or newer, and $(or $(PYTHON),python3) is $$($(or $(PYTHON),python3) --version 2>&1 || true)." >&2; \
	echo "Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1
# LocalStack runs on Python 3.13 alone. The first of these that is one; what pyenv installed it shows by a script that runs
# the version chosen, so its folders are looked into.
PYENV_ROOTS = $(PYENV_ROOT) $(HOME)/.pyenv $(patsubst %/shims/python3.13,%,$(shell command -v python3.13))
FIND_PYTHON_313 = for python in $(LOCALSTACK_PYTHON) python3.13 $(wildcard $(addsuffix /versions/3.13*/bin/python3.13,$(PYENV_ROOTS))) python3; do \
	if $$python -c "import sys; sys.exit(sys.version_info[:2] != (3, 13))" 2>/dev/null; then command -v $$python; exit 0; fi; done; \
	echo "LocalStack needs Python 3.13, and none is here (looked for: $(LOCALSTACK_PYTHON) python3.13 on the PATH and in pyenv's folders)." >&2; \
	echo "Install one, or name it: make localstack LOCALSTACK_PYTHON=/path/to/python3.13" >&2; exit 1
UV := .venvs/uv/bin/uv
COMPILE = $(UV) pip compile --quiet --generate-hashes --no-header --no-annotate $(if $(UPGRADE),--upgrade)
ENVIRONMENTS := .venv/.ready .venvs/ministack/.ready .venvs/sam/.ready
PYTEST := .venv/bin/pytest --numprocesses 2 --dist loadfile
CODE := layers/core/python cli functions infra/localstack

# uv takes the interpreter from here and downloads none.
export UV_PYTHON_DOWNLOADS := never
# Like pip, it trusts the certificates that the machine trusts.
export UV_SYSTEM_CERTS ?= true
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

.PHONY: help setup localstack demo test check bench lock layers clean

help: ## Show this.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: .venvs/uv/.ready ## Make the virtual environments: the project's, the emulator's and SAM CLI's.
	@$(MAKE) -s -j3 $(ENVIRONMENTS)

localstack: .venvs/localstack/.ready ## Make the environment of LocalStack, which needs Python 3.13.

demo: setup ## Start the local stack, train on an example table, and show a prediction.
	@.venv/bin/tidemill demo

test: setup .venvs/prometheus/.ready ## Run every test; with TARGET=localstack or a URL, the integration and e2e tests there.
	@if ($(FIND_PYTHON_313)) > /dev/null; then $(MAKE) -s localstack; else echo "So LocalStack's tests are skipped." >&2; fi
	@$(if $(TARGET),$(PYTEST) --target $(TARGET) tests/integration tests/e2e $(PYTEST_ARGS),$(PYTEST) $(PYTEST_ARGS))
	@if [ -z "$(TARGET)$(PYTEST_ARGS)" ] && [ -e .venvs/localstack/.ready ]; then \
		echo "the main paths on LocalStack:"; $(PYTEST) --target localstack -m main_path; fi

check: setup ## Run the linters and the type checker.
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy $(CODE)
	.venv/bin/lint-imports
	.venv/bin/cfn-lint template.yaml

bench: setup ## Run the benchmarks; they print ratios.
	@for script in tests/bench/*.py; do echo "== $$script"; .venv/bin/python $$script; done

lock: .venvs/uv/.ready ## Write the lock files again from requirements/*.in; UPGRADE=1 takes newer versions.
	@for name in uv ministack sam project; do \
		$(COMPILE) --universal --python-version 3.11 --output-file requirements/$$name.txt requirements/$$name.in; done
	@$(COMPILE) --exclude-newer 2026-03-01 --python-version 3.13 --output-file requirements/localstack.txt requirements/localstack.in
	@for layer in runtime serving data science; do \
		$(COMPILE) --python-version 3.13 --python-platform x86_64-manylinux_2_28 --constraint requirements/project.txt \
		$$([ $$layer = runtime ] && echo --no-deps) \
		--output-file layers/$$layer/requirements.txt layers/$$layer/requirements.in; done

layers: setup ## Build the functions and the real layers for AWS, and check their sizes.
	TIDEMILL_LAYERS=real SAM_CLI_TELEMETRY=0 .venvs/sam/bin/sam build
	.venv/bin/python infra/layer_sizes.py

clean: ## Stop the local stack and remove environments and caches; its data stays in .tidemill/.
	@if [ -x .venv/bin/tidemill ]; then .venv/bin/tidemill down; fi
	rm -rf .venv .venvs .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venvs/uv/.ready: requirements/uv.txt
	@python="$$($(FIND_PYTHON))"; \
	if ! "$$python" -c "import ensurepip, venv" 2>/dev/null; then \
		echo "$$python cannot make virtual environments: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; fi; \
	echo "setting up with $$("$$python" --version), $$python"; \
	rm -rf .venvs/uv; "$$python" -m venv .venvs/uv
	@.venvs/uv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --only-binary :all: -r requirements/uv.txt
	@touch $@

.venv/.ready: requirements/project.txt pyproject.toml .venvs/uv/.ready
	@$(call environment,.venv,project)
	@$(UV) pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
	@.venv/bin/python -c "import boto3, duckdb, onnxruntime, rich, sklearn.ensemble, sklearn.linear_model, skl2onnx"
	@touch $@

.venvs/ministack/.ready: requirements/ministack.txt .venvs/uv/.ready
	@$(call environment,.venvs/ministack,ministack)
	@.venvs/ministack/bin/python -c "import ministack.app"
	@touch $@

.venvs/sam/.ready: requirements/sam.txt .venvs/uv/.ready
	@$(call environment,.venvs/sam,sam)
	@SAM_CLI_TELEMETRY=0 .venvs/sam/bin/sam deploy --help > /dev/null
	@touch $@

# LocalStack with packages of its time, and our plugins for it as they are in the checkout. They are built in the project's
# environment: LocalStack's has plux in it, which breaks an editable build without a written index of plugins.
.venvs/localstack/.ready: requirements/localstack.txt infra/localstack/pyproject.toml | .venv/.ready
	@python="$$($(FIND_PYTHON_313))"; \
	echo "installing requirements/localstack.txt into .venvs/localstack"; \
	[ -x .venvs/localstack/bin/python ] && .venvs/localstack/bin/python -c "" 2>/dev/null \
		|| $(UV) venv --quiet --clear --python "$$python" .venvs/localstack; \
	$(UV) pip sync --quiet --python .venvs/localstack/bin/python --require-hashes requirements/localstack.txt; \
	packages="$$(.venvs/localstack/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"; \
	$(UV) pip install --quiet --python .venv/bin/python --target "$$packages" --no-deps --no-build-isolation --editable . --editable infra/localstack
	@.venvs/localstack/bin/python -c "import localstack.services.lambda_.provider, tidemill_localstack.plugins"
	@touch $@

# Prometheus for the tests of metrics, rules and dashboards: Debian's package, unpacked and not installed. Elsewhere those
# tests take the prometheus and promtool that are on the PATH, or are skipped.
.venvs/prometheus/.ready:
	@mkdir -p $(@D)
	@if command -v prometheus promtool >/dev/null; then true; \
	elif ! command -v apt-get dpkg-deb >/dev/null; then echo "no Debian packages here: tests that need Prometheus are skipped"; \
	else echo "unpacking Debian's prometheus into $(@D)"; cd $(@D); \
		get() { apt-get download -qq -o APT::Sandbox::User=root prometheus; }; \
		{ get 2>/dev/null || { apt-get update -qq && get; }; } && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb \
		|| echo "Debian's prometheus could not be fetched: tests that need it are skipped"; fi
	@touch $@

# $(call environment,FOLDER,LOCK): the environment in the folder, with exactly what the lock says. What is used most is
# imported once afterwards, so that Python compiles it now and not in the first run.
define environment
	echo "installing requirements/$(2).txt into $(1)"; \
	[ -x $(1)/bin/python ] && $(1)/bin/python -c "" 2>/dev/null || $(UV) venv --quiet --clear --python .venvs/uv/bin/python $(1); \
	$(UV) pip sync --quiet --python $(1)/bin/python --require-hashes requirements/$(2).txt
endef
