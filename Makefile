# Every target does its own set-up. Start with `make demo` or `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test lint format generate verify bench bench-schedule bench-delivery cluster lock clean

PY := .venv/bin/python
CLUSTER := report-operator
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/report-operator
KUBECONFIG_FILE := $(CACHE)/$(CLUSTER).kubeconfig

# What tests and the demo need of Debian beside what tests/localcluster installs by itself:
# databases to read from, the libraries and fonts that WeasyPrint draws with, a browser to look at pages.
PACKAGES := chromium curl fonts-dejavu-core fonts-inter libharfbuzz-subset0 libpango-1.0-0 libpangoft2-1.0-0 \
            openssl poppler-utils postgresql

# $(call timed,what,command): say what is done, do it, say how long it took.
timed = @printf '==> %s\n' '$(1)'; began=$$SECONDS; $(2); code=$$?; \
        printf '    %s: %s after %d s\n' '$(1)' "$$([ $$code = 0 ] && echo done || echo FAILED)" $$((SECONDS - began)); \
        exit $$code

# What takes minutes to build is built before the tests, in sight, and not in two of their processes at once.
PROGRAMS := kubernetes kubectl helm weed fake-gcs-server node
IMAGES := report-operator seaweedfs postgres

# $(call each,program,words): call a program of tests/localcluster with each word; it says what takes long.
each = for word in $(2); do tests/localcluster/$(1) $$word >/dev/null || exit 1; done

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/ready .venv/packages ## A report of 336,776 flights on a real cluster, from nothing, into ./out
	$(call timed,demo,$(PY) -m tests.demo)

test: .venv/ready .venv/packages ## Every test, on a real API server and a real node
	$(call timed,programs and images,$(call each,tool,$(PROGRAMS)) && $(call each,image,$(IMAGES)))
	$(call timed,tests,$(PY) -m pytest -n 3 --dist loadscope --no-loadscope-reorder $(PYTEST_ARGS))

lint: .venv/ready ## Format, lint, types, and the direction of the imports
	$(call timed,ruff,.venv/bin/ruff format --check -q . && .venv/bin/ruff check -q .)
	$(call timed,mypy,.venv/bin/mypy)
	$(call timed,import-linter,.venv/bin/lint-imports --no-cache)

format: .venv/ready ## Bring the code into shape
	$(call timed,ruff,.venv/bin/ruff check -q --fix . ; .venv/bin/ruff format -q .)

generate: .venv/ready ## CRDs, the chart's copies, plain manifests, reference pages
	$(call timed,generate,$(PY) -m tools.generate)

verify: generate ## generate, and fail when that changed a committed file
	$(call timed,verify,git diff --exit-code --stat)

bench: .venv/ready .venv/packages ## Measure runs beside bare Jobs, into docs/benchmarks.md
	$(call timed,bench,$(PY) -m tools.bench --page docs/benchmarks.md)

bench-schedule: .venv/ready .venv/packages ## Measure 10,000 schedules beside CronJobs, into docs/benchmarks.md
	$(call timed,bench-schedule,$(PY) -m tools.bench.schedule --page docs/benchmarks.md)

bench-delivery: .venv/ready .venv/packages ## Measure large uploads beside curl, and many mails, into docs/benchmarks.md
	$(call timed,bench-delivery,$(PY) -m tools.bench.delivery --page docs/benchmarks.md)

cluster: .venv/ready ## A Ready one-node Kubernetes
	$(call timed,cluster,tests/localcluster/kind get clusters | grep -qx $(CLUSTER) || tests/localcluster/kind create cluster --name $(CLUSTER) --kubeconfig $(KUBECONFIG_FILE))
	@echo "    export KUBECONFIG=$(KUBECONFIG_FILE)"

lock: .venv/ready ## Resolve the dependencies anew
	$(call timed,lock,.venv/bin/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 \
	  --upgrade pyproject.toml -o requirements/run.txt && \
	  .venv/bin/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 --upgrade \
	  -c requirements/run.txt --group dev pyproject.toml -o requirements/dev.txt && \
	  sed -n '/^uv==/$(comma)/[^\\]$$/p' requirements/dev.txt > requirements/uv.txt)

clean: ## Remove the cluster and the virtual environment; the cache stays
	tests/localcluster/kind delete cluster --name $(CLUSTER)
	rm -rf .venv out

comma := ,

.venv/ready: pyproject.toml requirements/dev.txt requirements/uv.txt
	$(call timed,virtual environment,python3 -m venv .venv && \
	  .venv/bin/python -m pip install -q --require-hashes --no-deps -r requirements/uv.txt && \
	  .venv/bin/uv pip sync -q --python $(PY) --require-hashes requirements/dev.txt && \
	  .venv/bin/uv pip install -q --python $(PY) --no-deps --no-build-isolation -e . && touch $@)

.venv/packages: Makefile | .venv/ready
	$(call timed,Debian packages,missing=$$(for name in $(PACKAGES); do \
	  dpkg-query -W -f '$${Status}' $$name 2>/dev/null | grep -q '^install ok' || echo $$name; done); \
	  [ -z "$$missing" ] || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -qq -y --no-install-recommends $$missing >/dev/null; } && touch $@)
