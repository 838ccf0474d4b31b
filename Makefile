# Everything runs in .venv; a target that needs it makes it first.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.PHONY: setup crawl-sample demo train-smoke ablation-smoke test check bench bench-filters soak clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet -e '.[train,datatrove,explore,dev]'
	$(RUN) -m curate compile
	touch $(STAMP)

crawl-sample: setup
	$(RUN) -m curate crawl-sample --out data/crawl-sample

demo: setup
	$(RUN) -m curate crawl-sample --out data/crawl-sample
	# A vocabulary for a model of 60,000 parameters: with 32,000 tokens its training takes ten minutes, not one.
	$(RUN) -m curate run pipelines/fineweb_like.yaml --set tokenize.vocabulary=4096
	$(RUN) -m model train examples/smoke.yaml --resume
	@echo "The report of the run: runs/fineweb_like/report.html"

train-smoke: setup
	$(RUN) -m model train examples/smoke.yaml --resume

ablation-smoke: setup
	$(RUN) -m model ablate pipelines/ablations/smoke.yaml

test: setup
	$(RUN) -m pytest -m "not slow" -n 2 --dist loadfile

check: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(RUN) -m tests.docs_links

bench: setup
	$(RUN) -m benchmarks.chain

bench-filters: setup
	$(RUN) -m benchmarks.filters

soak: setup
	$(RUN) -m pytest -m slow
	$(RUN) -m benchmarks.kills

clean:
	rm -rf runs .bench build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
