# The two commands are `make demo` and `make test`; the rest is what they are made of.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
TOOLS := $(CURDIR)/.cache/tools
DENY_VERSION := 0.20.2
DEMO_EVENTS ?= 300000
DEMO_SEED ?= 7
DEMO_ARGS ?=
SECONDS ?= 30
KILLS ?= 50
SEEDS ?= 20000

.PHONY: help demo test verify fmt clippy deny unit docs size up down status clean \
	api-check bench-api bench-decode bench-lanes bench-held bench-hot bench-stores bench-overhead decode-coverage fuzz sim mutants kills \
	conformance store-kills cases rebuild-drill verify-drill \
	dashboards-check forget-drill drill-secure drill-sources page-check up-secure down-secure

help: ## What there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: ## Change events become read models, on this machine alone: no service, no root
	@tools/toolchain
	$(CARGO) build --locked --release --bin readmill
	target/release/readmill demo --events $(DEMO_EVENTS) --seed $(DEMO_SEED) $(DEMO_ARGS)

test: ## Everything, on the real stack, from a bare machine
	@tools/toolchain
	tools/test

verify: fmt clippy deny unit docs ## The quick gate before a commit
	@echo "verify: clean"

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

deny: $(TOOLS)/bin/cargo-deny-$(DENY_VERSION)
	$< --log-level error check bans licenses sources

$(TOOLS)/bin/cargo-deny-$(DENY_VERSION):
	$(CARGO) install --locked --quiet --root $(TOOLS) --version $(DENY_VERSION) cargo-deny
	mv $(TOOLS)/bin/cargo-deny $@

unit: ## Tests that need no service
	$(CARGO) test --locked --workspace --exclude readmill-tests --quiet

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --quiet

cases: ## Every read model on its fixtures, four ways, and the traps of its case
	@tools/cases

size: ## How big the pieces are
	@tools/size

api-check: ## Everything that the OpenAPI document says, asked of an instance, and asked wrongly
	@tools/toolchain
	@tools/api-check

bench-api: ## How many documents an instance serves in a second, beside a constant
	tools/bench-api

bench-lanes: ## Online changes under a flood of batch rows, with lanes and without
	tools/bench-lanes

bench-held: ## What one failing key costs the others, and whether its queue is folded in order
	tools/bench-held

bench-hot: ## What one key that is far hotter than the rest costs the others
	tools/bench-hot

bench-stores: ## Guarded writes beside bare ones, many keys beside few, coalescing
	tools/bench-stores

bench-overhead: ## The hot path with metrics and with none
	tools/bench-overhead

bench-decode: ## Decoding against a hand-written decoder and other libraries
	tools/bench-decode

decode-coverage: ## Every type that Debezium writes, on golden records
	tools/decode-coverage

fuzz: ## Hostile bytes for SECONDS on each target
	tools/fuzz $(SECONDS)

sim: ## SEEDS whole lives of the engine under faults, in virtual time
	tools/sim $(SEEDS)

mutants: ## Take each guard of the engine down: the simulation must miss it
	tools/mutants

dashboards-check: ## Dashboards, rules and alerts: what they say, and that a real Prometheus has data
	@tools/toolchain
	@tools/dashboards-check

kills: ## KILLS kills and freezes of instances and services under load, and other faults
	@tools/toolchain
	@tools/kills $(KILLS)

rebuild-drill: ## A rebuild, swaps and a rollback under load: what readers see, what it costs
	@tools/toolchain
	@tools/rebuild-drill

conformance: ## The checks that every store must pass, on the real servers
	@tools/toolchain
	@tools/conformance

store-kills: ## KILLS kills each of MongoDB, Redis and the embedded store's process, in mid-batch
	@tools/toolchain
	@tools/store-kills $(KILLS)

verify-drill: ## Plant faults in documents, roll-ups and views under load, and see each of them found
	@tools/toolchain
	@tools/verify-drill

forget-drill: ## Forget a person under load, rebuild from the log and from an archive, search every byte
	@tools/toolchain
	@tools/forget-drill

drill-secure: ## Each link with all credentials, then each wrong one, missing right and certificate
	@tools/toolchain
	@tools/drill-secure

drill-sources: ## What is done to rows, and to connectors: the documents must be the tables
	@tools/toolchain
	@tools/drill-sources

page-check: ## The status page in a real browser: numbers, buttons, keyboard, colours, a phone's width
	@tools/toolchain
	@tools/page-check

up: ## Start the real stack natively
	compose/stack up

down: ## Stop it and delete its data
	compose/stack down

up-secure: ## Start the stack with TLS, credentials and the least rights, beside the plain one
	compose/stack up --secure

down-secure: ## Stop that and delete its data
	compose/stack down --secure

status: ## How it is
	compose/stack status

clean: down ## Delete everything that was built
	$(CARGO) clean
	rm -rf .cache
