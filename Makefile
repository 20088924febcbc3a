# Every target works on a clean clone with only Go, git and make.

BIN := bin/redoubt
LINT := go tool -modfile=tools/go.mod golangci-lint

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: build
build: ## build bin/redoubt
	go build -trimpath -o $(BIN) ./cmd/redoubt

.PHONY: demo
demo: build ## scan the example shop, then its hardened twin
	@echo '$$ redoubt scan examples/shop --severity high'; $(BIN) scan examples/shop --severity high; test $$? -eq 1
	@echo; echo '$$ redoubt scan examples/shop-hardened --fail-on info'; $(BIN) scan examples/shop-hardened --fail-on info

.PHONY: demo-fix
demo-fix: build ## scan, fix and scan again a copy of the example shop
	@dir=$$(mktemp -d) && cp -r examples/shop $$dir/shop && \
	$(BIN) scan $$dir/shop --fail-on never | tail -5 && \
	$(BIN) fix $$dir/shop --safety review | head -60; echo '[...]'; \
	$(BIN) fix $$dir/shop --safety review --write && \
	$(BIN) scan $$dir/shop --fail-on never | tail -5; rm -r $$dir

.PHONY: cluster-up
cluster-up: build ## start a real control plane with examples/shop in it (first build: 10 minutes)
	cd testcluster && go run ./cmd/testcluster build >/dev/null && go run ./cmd/testcluster up && go run ./cmd/testcluster create ../examples/shop
	@echo "export KUBECONFIG=$$(cd testcluster && go run ./cmd/testcluster kubeconfig)"

.PHONY: demo-prove
demo-prove: cluster-up ## send bad objects to that cluster, without and with the generated policies
	@export KUBECONFIG=$$(cd testcluster && go run ./cmd/testcluster kubeconfig); dir=$$(mktemp -d) && \
	$(BIN) prove admission -n default --fail-on never && \
	$(BIN) policy generate --enforce --output-dir $$dir && (cd testcluster && go run ./cmd/testcluster create $$dir) && sleep 5 && \
	$(BIN) prove admission -n default --fail-on info; rm -r $$dir

.PHONY: cluster-down
cluster-down: ## stop it
	cd testcluster && go run ./cmd/testcluster down

.PHONY: test
test: ## run all tests, with a real control plane (first build: 10 minutes)
	@cd testcluster && go run ./cmd/testcluster build >/dev/null || echo 'the control plane could not be built: tests that need it will be skipped' >&2
	go test ./...

.PHONY: race
race: ## run all tests with the race detector, in random order
	go test -race -shuffle=on ./...

.PHONY: lint
lint: ## check format and lint
	$(LINT) run ./...
	$(LINT) fmt --diff

.PHONY: generate
generate: ## render docs and golden files anew
	go test ./internal/catalogue -run Fresh -update
	go test ./internal/docgen ./internal/cli -run Fresh -update

.PHONY: bench
bench: ## measure
	go test -run '^$$' -bench . -benchmem ./internal/...

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (default 20s)
	@FUZZTIME=$${FUZZTIME:-20s}; \
	for f in $$(grep -rl --include='*_test.go' '^func Fuzz' internal); do \
	  for t in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\).*/\1/p' $$f); do \
	    echo "$$t in $$(dirname $$f)"; go test -run '^$$' -fuzz "^$$t$$" -fuzztime $$FUZZTIME ./$$(dirname $$f) || exit 1; \
	  done; done

.PHONY: check
check: ## everything CI does
	.ci/run
