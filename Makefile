.PHONY: setup test slow trackers lint format bench course starters notebooks docs gpu-test fake-gpu gpu-steps gpu-bench gpu-visit

FAKE_GPU = $(CURDIR)/build/cupy:$(CURDIR)/tests/support
ON_FAKE_GPU = env -u FIRSTLIGHT_DATA PYTHONPATH=$(FAKE_GPU) pytest -p fake_gpu.plugin -n auto

setup:        ## install for development
	pip install -e ".[dev]"
	python docs/layout.py  # for editors

test:         ## the suite, as the README and CI run it
	pytest -n auto

slow:         ## long runs that the suite leaves out
	pytest -m slow

trackers:     ## the plugins in examples/trackers, with their libraries in an environment of its own
	.ci/trackers

lint:         ## what CI checks
	ruff check . && ruff format --check .

format:       ## put the code in form
	ruff check --fix . ; ruff format .

bench:        ## measurements, three quarters of an hour; run nothing beside them
	python benchmarks/overhead.py
	python benchmarks/record_cost.py
	python benchmarks/memory.py
	python benchmarks/step.py --work mlp --json docs/benchmarks/1-mlp.json
	python benchmarks/step.py --work mlp --batch 32 --json docs/benchmarks/2-mlp.json
	python benchmarks/step.py --work cnn --json docs/benchmarks/3-cnn.json
	python benchmarks/step.py --work gpt --json docs/benchmarks/4-gpt.json
	python benchmarks/step.py --work gpt --size baby --rounds 7 --json docs/benchmarks/5-gpt.json
	python benchmarks/chart.py docs/benchmarks/*.json docs/benchmarks.svg
	python benchmarks/convolution.py
	python benchmarks/amdahl.py
	for work in digits mnist shakespeare; do python benchmarks/time_to_goal.py --work $$work; done

course:       ## the course's nine steps, one after the other
	python -c "import firstlight.tools.report"  # step 9 needs the extra "report": said before step 1
	for step in 1_polynomial 2_plain_python 3_mlp 4_cupy 4_roofline 5_experiments 6_cnn 7_transformer \
	strategies 9_poster; do python examples/course/$$step.py || exit 1; done
	python examples/course/4_kernel.py  # last: needs Linux and g++

starters:     ## the scripts to begin projects with, one after the other
	for script in examples/starters/*.py; do python $$script || exit 1; done

notebooks:    ## of the course's steps, in English and German, in notebooks/
	python docs/notebooks.py

docs:         ## the site, in site/
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict  # the variable silences the theme's news of itself

gpu-test:     ## on a machine with a GPU: kernels, layers, graphs, and the Trainer's suite
	python -c "from firstlight.support.backend import resolve_device; resolve_device('cuda')"
	pytest -m gpu
	FIRSTLIGHT_TEST_DEVICE=cuda pytest $$(cat tests/gpu/suite.txt)

fake-gpu: build/cupy  ## the same, without a GPU: the real CuPy over a fake one; needs g++ on Linux on x86-64
	$(ON_FAKE_GPU) -m gpu
	FIRSTLIGHT_TEST_DEVICE=cuda $(ON_FAKE_GPU) $$(cat tests/gpu/suite.txt)
	FIRSTLIGHT_FAST=0 $(ON_FAKE_GPU) -m gpu tests/framework/training  # lessons alone

gpu-steps: build/cupy  ## launches, bytes and a model of the time of training steps, without a GPU
	PYTHONPATH=$(FAKE_GPU) python -m fake_gpu.steps

# Beside the virtual environment: the other tests are those of a machine without CuPy.
build/cupy:
	pip install --quiet --no-deps --target $@ cupy-cuda13x==14.2.0 cuda-pathfinder

gpu-bench:    ## on a machine with a GPU: steps beside PyTorch's; into benchmarks/gpu.json and docs
	python benchmarks/gpu.py

gpu-visit:    ## all of that and more in ten minutes, for a GPU that is lent for a short time; into visit/
	python benchmarks/gpu_visit.py --out visit
