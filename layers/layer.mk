# What the Makefiles of the layers share. `sam build` calls their target with ARTIFACTS_DIR set, in a copy of the
# layer's folder. An architecture is that of the template's parameter with the same name: when you deploy with
# ServingArchitecture=x86_64, build with it too, as in `ServingArchitecture=x86_64 sam build`.

HERE := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
PYTHON := $(firstword $(wildcard $(HERE)../.venv/bin/python) python3)
PACK := $(PYTHON) $(HERE)../infra/pack_layer.py requirements.txt "$(ARTIFACTS_DIR)/python" --architecture
