# The front door. `make` builds, `make run` shows the main job, `make test` runs every test that needs no special build.
#
# Everything is built by CMake below build/; nothing is installed but by scripts/install-deps, which says what it does.

BUILD   ?= build/release
CMAKE   ?= cmake
JOBS    ?= $(shell nproc)
SN_SLOW ?= 1

.PHONY: all run test stress asan tsan debug portable aarch64 model mutations faults faults-part valgrind full install lint bench bench-versus help clean deps clang-deps

all: $(BUILD)/build.ninja ## build the library, the command, tests, examples and benchmarks
	@$(CMAKE) --build $(BUILD) --parallel $(JOBS)

deps:
	@scripts/install-deps cmake ninja-build gcc g++

clang-deps:
	@scripts/install-deps cmake ninja-build clang libclang-rt-14-dev

$(BUILD)/build.ninja: CMakeLists.txt | deps
	@mkdir -p $(dir $(BUILD)) && SN_SLOW=$(SN_SLOW) $(CMAKE) -S . -B $(BUILD) -G Ninja $(FLAGS) > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }

run: all ## run the main job on real input: checksums of the machine's C headers
	@scripts/run-demo $(BUILD)/sennit

test: all ## run every test that needs no special build
	@scripts/install-deps pkgconf gdb || echo "going on without: some tests will be skipped"
	@SN_SLOW=$(SN_SLOW) scripts/run-tests $(BUILD) $(JOBS)

MINUTES ?= 5
SEED    ?=
stress: all ## the stress tests for longer: MINUTES=10, SEED=n to replay
	@scripts/stress $(BUILD) $(MINUTES) $(SEED)

debug: clang-deps ## clang, with internal assertions
	@$(MAKE) test BUILD=build/debug FLAGS="-DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DSN_DEBUG=ON -DCMAKE_C_FLAGS=-Werror"

asan: clang-deps ## AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer
	@SN_SLOW=4 $(MAKE) test BUILD=build/asan FLAGS="-DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DSN_DEBUG=ON -DSN_SANITIZE=address,undefined"

tsan: clang-deps ## ThreadSanitizer
	@SN_SLOW=8 $(MAKE) test BUILD=build/tsan FLAGS="-DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DSN_SANITIZE=thread"

portable: ## the portable stack switch
	@$(MAKE) test BUILD=build/portable FLAGS="-DSN_PORTABLE=ON -DSN_DEBUG=ON"

aarch64: ## cross-build for 64-bit ARM, tested under QEMU
	@scripts/install-deps cmake ninja-build gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user
	@scripts/check-tls aarch64
	@SN_SLOW=6 SN_STRESS_MS=300 $(MAKE) test BUILD=build/aarch64 FLAGS="-DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake"

model: ## our own lock-free code in a model of threads and memory: MODEL_SEEDS=20000 for more, MODEL_SEED=n to replay
	@$(MAKE) all BUILD=build/model FLAGS="-DSN_MODEL=ON -DSN_DEBUG=ON"
	@scripts/corpus build/model
	@$(MAKE) test BUILD=build/model

mutations: ## one change after the other that the model's tests must notice
	@scripts/install-deps cmake ninja-build gcc g++ patch
	@scripts/mutations build/mutations

FAULTS_FLAGS = -DSN_FAULTS=ON -DSN_DEBUG=ON
faults: clang-deps ## every test again and again, each time with another call to the system made to fail; hours
	@SN_FAULT_RUNS=300 SN_FAULT_STRICT=1 SN_STRESS_MS=20 SN_SLOW=1000 $(MAKE) test BUILD=build/faults-asan \
	    FLAGS="-DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ $(FAULTS_FLAGS) -DSN_SANITIZE=address,undefined"

faults-part: ## the same for some of the calls; minutes
	@SN_FAULT_RUNS=1 SN_FAULT_STEP=1 SN_FAULT_SECONDS=4 SN_STRESS_MS=20 SN_SLOW=15 $(MAKE) test BUILD=build/faults FLAGS="$(FAULTS_FLAGS)"

valgrind: ## the contract tests under Valgrind; some minutes
	@scripts/install-deps valgrind
	@$(MAKE) all BUILD=build/valgrind
	@scripts/valgrind build/valgrind

full: ## everything that continuous integration runs, and what does not fit there
	@.ci/run
	@MODEL_SEEDS=20000 SN_SLOW=100 $(MAKE) model
	@$(MAKE) faults
	@$(MAKE) valgrind

PREFIX  ?= /usr/local
DESTDIR ?=
install: all ## install headers, libraries and the command: PREFIX=/usr/local DESTDIR=
	@DESTDIR=$(DESTDIR) $(CMAKE) --install $(BUILD) --prefix $(PREFIX)

lint: ## layers, forbidden words, snippets
	@scripts/install-deps python3 gcc binutils
	@scripts/lint

bench: all ## every benchmark, one line of JSON each
	@for b in $(BUILD)/bench/*_bench; do $$b; done

VERSUS_GO = build/bench/versus_go
bench-versus: all ## the same work in Sennit, Go and POSIX threads, as ratios: QUICK=1, ROUNDS=n, ONLY=mutex
	@scripts/install-deps python3 binutils
	@command -v go > /dev/null || scripts/install-deps golang-go || echo "going on without Go"
	@mkdir -p build/bench && rm -f $(VERSUS_GO)
	@command -v go > /dev/null && cd bench/versus/go && { go build -o $(CURDIR)/$(VERSUS_GO) . || \
	    { echo "without golang.org/x/sync: Go's semaphore is a channel"; go build -tags chansemaphore -o $(CURDIR)/$(VERSUS_GO) .; }; } || true
	@bench/versus/run --sennit $(BUILD)/bench/versus_sennit --go $(VERSUS_GO) --pthread $(BUILD)/bench/versus_pthread \
	    --json build/bench/versus.json

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

clean: ## remove everything that was built
	@rm -rf build
