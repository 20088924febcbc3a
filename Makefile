# Every target works on a clean clone with only Go, git and make.

BIN := bin/redoubt
LINT := go tool -modfile=tools/go.mod golangci-lint

# Without cgo the binary is static, a quarter smaller and quicker to link: one
# of Kustomize's packages imports plugin, which keeps every method there is.
export CGO_ENABLED = 0

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: build
build: ## build bin/redoubt
	go build -trimpath -ldflags='-s -w' -o $(BIN) ./cmd/redoubt

.PHONY: demo
demo: build ## scan the example shop, then its hardened twin
	@echo '$$ redoubt scan examples/shop --severity high'; $(BIN) scan examples/shop --severity high; test $$? -eq 1
	@echo; echo '$$ redoubt scan examples/shop-hardened --fail-on info'; $(BIN) scan examples/shop-hardened --fail-on info

.PHONY: demo-fix
demo-fix: build ## scan, fix and scan again a copy of the example shop
	@dir=$$(mktemp -d) && trap 'rm -r $$dir' EXIT && cp -r examples/shop $$dir/shop && cp $(BIN) $$dir/redoubt && cd $$dir && \
	echo '$$ redoubt scan shop --severity high' && ./redoubt scan shop --severity high --fail-on never && \
	echo && echo '$$ redoubt fix shop --safety review' && ./redoubt fix shop --safety review && \
	echo && echo '$$ redoubt fix shop --safety review --write' && ./redoubt fix shop --safety review --write >/dev/null 2>&1 && \
	echo && echo '$$ redoubt scan shop --severity high --fail-on high' && ./redoubt scan shop --severity high --fail-on high && \
	echo && echo '$$ redoubt fix shop --safety review   # once more: nothing is left to do' && ./redoubt fix shop --safety review 2>/dev/null | wc -l

.PHONY: cluster-up
cluster-up: build ## start a real control plane with examples/shop in it (first build: 10 minutes), unless it runs
	@cd testcluster && go run ./cmd/testcluster kubeconfig >/dev/null 2>&1 || { \
	go run ./cmd/testcluster build >/dev/null && go run ./cmd/testcluster up && go run ./cmd/testcluster create ../examples/shop; }
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

.PHONY: test-node
test-node: ## run the tests that need a real node: Linux, root, 5 minutes (first build: 13)
	@cd testcluster && go run ./cmd/testcluster build --node >/dev/null || echo 'the node could not be built: its tests will be skipped' >&2
	REDOUBT_NODE=1 go test -count=1 -v ./internal/nodetest

.PHONY: race
race: ## run all tests with the race detector, in random order
	CGO_ENABLED=1 go test -race -shuffle=on ./...

.PHONY: lint
lint: ## check format and lint
	$(LINT) run ./...
	$(LINT) fmt --diff

.PHONY: generate
generate: ## render docs and golden files anew
	go test ./internal/catalogue -run Fresh -update
	go test ./internal/docgen ./internal/cli ./internal/nodetest -run Fresh -update

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
