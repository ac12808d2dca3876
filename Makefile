# make demo   the whole job on the bundled clip, from nothing to pictures
# make web    the page in the browser, on the bundled clip or on CLIP=plate.mov
# make test   checks and tests
# VENV and PYTHON may be set: make test VENV=~/venvs/trackmatte PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin

CLIP ?= sample_clips/furball/plate.mp4

.PHONY: demo web test clean
demo: $(VENV)/.base
	RUN=$(RUN) scripts/demo

web: $(VENV)/.base
	$(RUN)/trackmatte web $(CLIP) --shot demo/$(basename $(notdir $(CLIP))).shot.json

test: $(VENV)/.dev
	RUN=$(RUN) scripts/check
	RUN=$(RUN) scripts/test

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Trackmatte needs Python 3.11 or newer; say which: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.base: $(VENV)/.venv pyproject.toml
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.base
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	scripts/install-sam $(RUN)/python
	touch $@

clean:
	rm -rf $(VENV) demo
