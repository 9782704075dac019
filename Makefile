# `make` alone prints the targets.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
BIN := node_modules/.bin
# Compose 2 where there is one, else docker-compose 1.29.
COMPOSE := $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

help: ## print the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

node_modules: package.json package-lock.json
	npm ci
	@touch node_modules

install: node_modules ## install what package-lock.json names

dist: node_modules $(shell find src -type f)
	npm run --silent build

build: dist ## compile src to dist

start: dist ## run a cluster of five nodes here until ctrl-c
	@node dist/main.js dev --nodes 5

check: node_modules ## format, lint, types, unit tests, dead code: what a commit must pass
	$(BIN)/biome check --error-on-warnings .
	$(BIN)/tsc -p tsconfig.test.json
	$(BIN)/knip
	$(MAKE) unit

unit: node_modules ## tests that need no processes of their own
	$(BIN)/vitest run --project unit

test: dist ## all tests: unit, simulated seeds, real processes, planted bugs
	$(BIN)/vitest run
	$(MAKE) mutants

simulate: node_modules ## SEED=s: one run with its trace; RUNS=n [SEED=s] [RECORD=1]: seeds s to s+n-1
	@$(BIN)/tsc -p tsconfig.tools.json
	@node build/test/simulator/simulate.js

simulate-handoff: node_modules ## ROUNDS=n (1000): two nodes join and two leave, while clients write, again and again
	@SIMULATED_HANDOFFS=$(or $(ROUNDS),1000) $(BIN)/vitest run --project simulation handoff

simulate-speed: node_modules ## how fast simulated time passes at 100 operations a second
	@$(BIN)/tsc -p tsconfig.tools.json
	@node --max-semi-space-size=64 build/test/simulator/measure-speed.js

mutants: node_modules ## planted bugs: each must be found; FRESH=1 searches their seeds anew
	@$(BIN)/tsc -p tsconfig.tools.json
	@node build/test/mutants/find-mutants.js

reliability: node_modules ## write docs/reliability.md from the last recorded run and the tables of tests
	@$(BIN)/tsc -p tsconfig.tools.json
	@node build/test/reliability/write-reliability.js

model: node_modules ## every interleaving of a small ring change, with all rules and without each
	@$(BIN)/tsc -p tsconfig.tools.json
	@node build/test/model/run-model.js

integration: dist ## real processes on this machine
	$(BIN)/vitest run --project integration --project measuring

faults: dist ## the long forms of the tests with killed, hanging, damaged, coming and going nodes (hours)
	FAULT_KILLS=1000 FAULT_SYNCS=200 FAULT_SOCKETS=5000 FAULT_PUTS=1000 FAULT_MIBS=2000 \
	  HANDOFF_ROUNDS=50 ROLLING_ROUNDS=20 \
	  $(BIN)/vitest run --project integration --project measuring \
	  kills failing-sync network-faults paused-replica full-disk wrong-clock overload \
	  handoff rolling-restart healing returning-nodes

fuzz: node_modules ## a million frames, 100,000 raw HTTP requests, many values that are too large
	FUZZ_FRAMES=1000000 FUZZ_HTTP=100000 ROUNDS_413=100 $(BIN)/vitest run --project unit \
	  test/rpc/fuzz test/http/fuzz test/http/too-large

containers: ## the compose file in a real engine (skips where there is none)
	$(BIN)/vitest run --project containers

bench: dist ## what three nodes on this machine do, next to a bare fastify server
	@$(BIN)/tsc -p tsconfig.tools.json
	@node build/bench/bench.js

bench-heal: dist ## KEYS=n: how soon five nodes here notice that one is gone, go on, and heal
	@$(BIN)/tsc -p tsconfig.tools.json
	@node build/bench/bench-heal.js

up: ## five nodes in containers, on 127.0.0.1:7401 to 7405
	$(COMPOSE) up --detach --build
	@scripts/await-healthy $(COMPOSE) --

down: ## remove containers, volumes, network and image
	$(COMPOSE) down --volumes --remove-orphans --rmi all
	@docker image prune --force --filter label=quorate.stage >/dev/null

kill: need-n ## n=3: kill the container of node3
	$(COMPOSE) kill node$(n)

revive: need-n ## n=3: start it again
	$(COMPOSE) start node$(n)
	@scripts/await-healthy $(COMPOSE) -- node$(n)

pause: need-n ## n=2: freeze node2 until `make unpause n=2`
	$(COMPOSE) pause node$(n)

unpause: need-n ## n=2: let node2 go on
	$(COMPOSE) unpause node$(n)

status: ## the members, as a running container sees them
	@scripts/any-node $(COMPOSE) -- node dist/main.js status

demo: ## put, kill a node, get, revive it: in containers
	@scripts/demo

need-n:
	@test -n "$(n)" || { echo 'say which node: make kill n=3' >&2; exit 2; }

clean: ## remove what was built
	rm -rf dist build node_modules

.PHONY: help install build start check unit test simulate simulate-handoff simulate-speed mutants reliability model integration faults fuzz containers bench \
  bench-heal up down kill revive pause unpause status demo need-n clean
