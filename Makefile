# The whole project from one place. Needs git, make and npm; `scripts/node` is the Node that everything else runs with.
.DEFAULT_GOAL := help
SHELL := /bin/sh
NODE := scripts/node
JEST := $(NODE) scripts/test.js
INSTALLED := node_modules/.installed
SEED := 1
COUNT := 1

# The tests of a folder, or those of ARGS when these name some: Jest runs whatever one of several patterns means.
tests = $(if $(filter-out -%,$(firstword $(ARGS))),,$(1)) $(ARGS)

.PHONY: help install run test verify fix generate bench bench-peers bench-abuse nightly chaos clients sim mutants kube-test kube-long kube-real deploy image

help: ## Show this list
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-12s %s\n' "$$name" "$$text"; done

install: $(INSTALLED) ## Install the pinned dependencies, Node 24 among them

# `npm ci` would refuse a lock file in which a platform's optional binary is absent, and not every registry carries all of them. Installing
# without saving takes the same pinned versions and integrity from the lock file and changes neither it nor package.json.
$(INSTALLED): package-lock.json
	npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

run: $(INSTALLED) ## Start a broker and its name server, data in ./saturnmq-data (ARGS="--grpc-port 8091" passes options)
	@exec $(NODE) cli/bin/saturnmq.js dev $(ARGS)

test: $(INSTALLED) ## Run unit tests and the suites of test/ (ARGS=PATTERN runs a part); ends with "N passed, N failed"
	@$(JEST) $(ARGS)

verify: $(INSTALLED) ## Check format, lint, types, walls, dead code, generated files, lock file, links; changes nothing
	@$(NODE) scripts/verify.js

fix: $(INSTALLED) ## Format, sort imports and apply what lint can repair
	@$(NODE) node_modules/.bin/biome check --write .
	@$(NODE) node_modules/eslint/bin/eslint.js . --fix

generate: $(INSTALLED) ## Write the generated files anew
	@$(NODE) scripts/generate.ts

bench: $(INSTALLED) ## Measure this machine: store, broker, restart; prints a table (ARGS="--quick --only send" for a part)
	@exec $(NODE) bench/src/main.ts $(ARGS)

bench-peers: $(INSTALLED) ## Measure SaturnMQ beside Apache RocketMQ, NATS and Redis, interleaved (ARGS="--quick" on a busy machine)
	@exec $(NODE) bench/peers/main.ts $(ARGS)

bench-abuse: $(INSTALLED) ## Measure what others feel of clients that attack the transport (ARGS="1 1000": one short round)
	@exec $(NODE) packages/h2/src/testing/abuse-bench.ts $(ARGS)

nightly: $(INSTALLED) ## Run all tests with the rounds and sizes that prove more and take long
	@SATURNMQ_NIGHTLY=1 $(JEST) $(ARGS)

chaos: $(INSTALLED) ## Run test/chaos: kill -9, SIGSTOP, cut networks, full disks, power cuts (test/README.md)
	@$(JEST) $(call tests,test/chaos)

clients: $(INSTALLED) ## Run test/clients: the official clients, unmodified
	@$(JEST) $(call tests,test/clients)

sim: $(INSTALLED) ## Run simulated clusters: SEED=first COUNT=how many (ARGS=--log tells all that one of them logs)
	@$(NODE) test/sim/seeds.program.ts --seed $(SEED) --count $(COUNT) $(ARGS)

kube-test: $(INSTALLED) ## Run test/kube: the operator on a real API server, built from its Go modules the first time (about 12 minutes)
	@test/kube/control-plane/build.sh "$${XDG_CACHE_HOME:-$$HOME/.cache}/saturnmq/kube-v1.37.1" etcd kube helm
	@$(JEST) $(call tests,test/kube)

kube-long: $(INSTALLED) ## Run test/kube with all writes after which an operator is killed, and what else takes long
	@SATURNMQ_NIGHTLY=1 $(MAKE) kube-test

kube-real: image ## As root: run the image's pods by a real kubelet, containerd and runc (the first time builds and downloads them)
	@test/kube/control-plane/build.sh "$${XDG_CACHE_HOME:-$$HOME/.cache}/saturnmq/kube-v1.37.1" etcd kube kubelet helm
	@$(NODE) test/kube/real/container-runtime.program.ts "$${XDG_CACHE_HOME:-$$HOME/.cache}/saturnmq/kube-v1.37.1"
	@SATURNMQ_KUBE_REAL=1 $(JEST) test/kube/real.test.ts $(ARGS)

deploy: ## Install the operator with kubectl where its context points to, from the chart that helm renders (ARGS="--set logLevel=debug")
	@kubectl create namespace saturnmq-system --dry-run=client --output yaml | kubectl apply -f -
	@helm template saturnmq helm/saturnmq --namespace saturnmq-system $(ARGS) | kubectl apply --server-side -f -

image: $(INSTALLED) ## Build the container image into dist/image: an OCI layout, a tar of it, a bill of materials (image/README.md)
	@SOURCE_DATE_EPOCH="$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)}" SATURNMQ_REVISION="$${SATURNMQ_REVISION:-$$(git describe --always --abbrev=40 --dirty)}" \
		$(NODE) image/src/main.ts $(ARGS)

mutants: $(INSTALLED) ## Look for the first seed of the simulation that finds each planted fault (ARGS="--only lease" for some)
	@$(NODE) test/sim/mutants/search.program.ts $(ARGS)
