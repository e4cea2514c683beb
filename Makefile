.PHONY: setup test slow lint format bench gpu-test gpu-bench

setup:        ## install for development
	pip install -e ".[dev]"

test:         ## the suite, as the README and CI run it
	pytest

slow:         ## long runs that the suite leaves out
	pytest -m slow

lint:         ## what CI checks
	ruff check . && ruff format --check .

format:       ## put the code in form
	ruff check --fix . ; ruff format .

bench:        ## measurements; run nothing beside them
	python benchmarks/overhead.py
	python benchmarks/memory.py
	python benchmarks/step.py

gpu-test:     ## on a machine with a GPU: kernels, layers, graphs, and the Trainer's suite there
	pytest -m gpu tests/gpu
	FIRSTLIGHT_TEST_DEVICE=cuda pytest $$(cat tests/gpu/suite.txt)

gpu-bench:    ## on a machine with a GPU: steps beside PyTorch's; into benchmarks/gpu.json and docs
	python benchmarks/gpu.py
