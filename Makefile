# The two commands that matter are `make demo` and `make test`. They need Rust, a C compiler and
# make, and nothing done first; what the tests need beyond that they install, as root.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
# The playbook of `make demo` and `make up`: first-flight, mysql-to-postgres or mysql-1-to-4.
PLAYBOOK ?= first-flight
FLIGHT := playbooks/$(PLAYBOOK)
# Longest run of the demo, building aside. Chaos has no limit: it takes what the kills cost.
TIME_MAX ?= 3m
IN_TIME = $(if $(filter-out 0 no false,$(CHAOS)),,--time-max $(TIME_MAX))
# One profile for the demo and the tests, so that the dependencies are compiled once.
RELEASE := --release --locked
# Named points at which the tests kill a phase; the demo and a release have none.
FAULTS := --features migration/faults,cutover/faults

# What a playbook's servers are. The first flight needs none, so these are to play with.
KINDS_first-flight := mariadb,postgres,redis,kafka
KINDS_mysql-to-postgres := mariadb,postgres,redis,kafka,connect
KINDS_mysql-1-to-4 := mariadb,shards,redis,kafka,connect
# And what it is built and run with.
ifeq ($(PLAYBOOK),first-flight)
FLY_BUILD := --no-default-features
else
FLY_BUILD := -p servers
FLY_NEEDS := servers
# Kafka waits ten seconds for a consumer that was killed before it gives its partitions to another.
ifneq ($(filter-out 0 no false,$(CHAOS)),)
$(error CHAOS=1 is for the first flight: a consumer killed every second never gets its partitions back)
endif
FLY_BESIDE := $(TARGET)/release/servers with $(KINDS_$(PLAYBOOK)) --
endif

# What the tests need: C libraries to build with, and the real servers.
KINDS := build,mariadb,postgres,redis,kafka,connect
# One of each for a whole run: a test that does not harm a server shares it.
BESIDE := $(TARGET)/release/servers with mariadb,postgres,redis,kafka --

# The benchmarks on files and in memory need neither servers nor the libraries of their clients.
ifneq ($(filter $(ONLY),backfill verify dual-write decision),)
BENCH_BUILD := --no-default-features
else
BENCH_NEEDS := servers
endif

.PHONY: help demo up down servers test faults model bench clean

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(FLY_NEEDS) ## Carries out a whole migration under live writes, in three minutes; CHAOS=1 kills a phase every second, PLAYBOOK=mysql-to-postgres or mysql-1-to-4 takes real servers
	$(CARGO) build $(RELEASE) $(FLY_BUILD) -p dual-write -p backfill -p verify -p cutover -p service -p playbook
	rm -rf $(FLIGHT)/flight
	$(FLY_BESIDE) $(TARGET)/release/playbook run $(FLIGHT)/README.md --memory-max 128 $(IN_TIME)

servers: ## Installs what the tests need: C libraries, MariaDB, PostgreSQL, Redis, Kafka, Debezium
	$(CARGO) run $(RELEASE) -p servers -- install $(KINDS)

up: ## Starts a MariaDB, a PostgreSQL, a Redis and a Kafka to play with, and prints their URLs; PLAYBOOK=name: those of a playbook
	@$(CARGO) run --quiet $(RELEASE) -p servers -- up $(KINDS_$(PLAYBOOK))

down: ## Stops what make up has started, and removes its data
	@$(CARGO) run --quiet $(RELEASE) -p servers -- down

test: servers ## Everything that must hold before a change lands: format, lints and all tests
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(RELEASE) $(FAULTS) --workspace --all-targets -- -D warnings
	$(CARGO) build $(RELEASE) $(FAULTS) --workspace --bins --tests
	$(BESIDE) $(CARGO) test $(RELEASE) $(FAULTS) --workspace

faults: servers ## Every fault test, on files and on real servers, with a kill at every fail point
	$(CARGO) build $(RELEASE) $(FAULTS) --workspace --bins --tests
	MIDFLIGHT_FAULTS=all $(BESIDE) $(CARGO) test $(RELEASE) $(FAULTS) --workspace \
		--test faults --test cutover -- --nocapture
	rm -rf $(FLIGHT)/flight
	$(TARGET)/release/playbook run $(FLIGHT)/README.md --chaos --memory-max 128

model: ## Checks the protocol's model in every configuration
	$(CARGO) run $(RELEASE) -p model

bench: $(BENCH_NEEDS) ## Compares with bare loops and other tools; ONLY=name runs one, ARGS="--rows 200000" passes more
	$(CARGO) build $(RELEASE) $(BENCH_BUILD) -p dual-write -p backfill -p verify -p bench
	$(TARGET)/release/bench $(if $(ONLY),--only $(ONLY)) $(ARGS)

clean: ## Removes what was built and what the demo left
	$(CARGO) clean
	rm -rf $(FLIGHT)/flight
