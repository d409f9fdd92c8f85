# make demo, then make test: nothing else is needed. Every target makes the environment first.
PYTHON ?= python3
READY := .venv/.ready
RUN := export PATH="$$PWD/.venv/bin:$$PATH" OMP_NUM_THREADS=1 DVC_NO_ANALYTICS=1;

.PHONY: setup demo extensions test test-slow test-faults test-cluster test-browser lint bench determinism lock

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("cmivae needs Python 3.11 to 3.13, not %d.%d; try make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --require-hashes -r requirements.lock
	.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

# The whole path on small data: raw digits to tables and figures, through DVC. Offline once packages are in.
demo: $(READY)
	@$(RUN) cd demo; git rev-parse --git-dir >/dev/null 2>&1 || dvc config --local core.no_scm true
	@$(RUN) cd demo && dvc repro && cat results/tables/*.md
	@echo "Tables: demo/results/tables   Figures: demo/results/figures   Report: demo/results/report/report.html   One run: demo/runs/train/digits-cmi-g060/s0"

# What the paper names as future work, at the size of the demo's digits (docs/extensions.md).
extensions: $(READY)
	@$(RUN) snakemake --directory extensions --cores all --quiet all && cat extensions/results/tables/*.md

test: $(READY)
	@$(RUN) pytest -n 2 --dist loadfile --durations 10

# Paper-size equality checks and repeated kills.
test-slow: $(READY)
	@$(RUN) pytest -n 2 --dist loadfile -m slow --timeout 1800 --durations 10

# Every fault of docs/reliability.md in its full number, and that page's table anew. FAULT_SEED=1 makes other choices.
test-faults: $(READY)
	@$(RUN) FAULT_REPORT=docs/reliability.md pytest tests/faults -m fault -n 2 --dist loadfile --durations 10

# The demo through the profile `slurm` on a one-node Slurm that it installs and starts (Debian, as root, no systemd).
test-cluster: $(READY)
	@$(RUN) python tests/cluster/run.py

# The report's page in a real browser. The suite has these tests too, but leaves them out where there is no Chromium.
test-browser: $(READY)
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || { echo "Chromium is missing: apt-get install chromium (as root), then make test-browser" >&2; exit 1; }
	@$(RUN) CMIVAE_BROWSER=required pytest -m browser tests/report

# snakemake --lint wants a container a rule, always: without that finding it did not run to its end. Its others count.
WANTED := Specify a conda environment or container
lint: $(READY)
	@$(RUN) ruff check . && ruff format --check . && snakefmt --check Snakefile workflow && mypy
	@$(RUN) cd demo && mkdir -p .cmivae && { snakemake --lint >.cmivae/lint.txt 2>&1; grep -q '$(WANTED)' .cmivae/lint.txt || { cat .cmivae/lint.txt >&2; exit 1; }; ! grep '^    \* ' .cmivae/lint.txt | grep -v '$(WANTED)'; }

bench: $(READY)
	@$(RUN) python benchmarks/run.py

# Measures which changes keep the bits of a small study, and writes the page (7 to 12 minutes on 2 cores).
determinism: $(READY)
	@$(RUN) python docs/make_determinism.py docs/determinism.md

# Makes requirements.lock anew from pyproject.toml (needs uv).
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet --extra dev pyproject.toml -o requirements.lock
