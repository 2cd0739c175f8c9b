# bprec: see README.md. Everything generated goes to build/ (SAN=1: build/san/).
#
# make [all]      build/bprec                      make test    install what is missing, build, run all tests
# make test-unit  unit tests only                  make bench   figures, fails beyond a bound
# make test-mutants  without any of the rules of DESIGN 12, do tests fail?
# make test-vm    some tests on Debian's kernels 6.1 and 6.12, in virtual machines
# make test-stress  many outsiders, many mappings, little memory, many runs
# make demo       a first look, sets up a machine  make lint    format, layers, documents, conventions
# make install    to $(DESTDIR)$(prefix)           make check-install, uninstall, clean
#
# V=1 shows the commands, SAN=1 builds with asan and ubsan, WERROR=1 makes warnings errors, B=DIR builds elsewhere.

## Settings
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BPFTOOL ?= $(shell command -v bpftool || echo /usr/sbin/bpftool)
prefix ?= /usr/local
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(2)')

ifeq ($(SAN),1)
B ?= build/san
SANFLAGS := -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
else
B ?= build
endif

VERSION := $(shell cat VERSION)
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef $(if $(WERROR),-Werror)
ALL_CPPFLAGS = -Iinclude -iquote userspace -I$(B)/skel -D_GNU_SOURCE -DBPREC_VERSION='"$(VERSION)"' $(CPPFLAGS)
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARN) $(SANFLAGS) -pthread
LDLIBS := -lbpf -lelf -ldw -lZydis -lzstd -lxxhash -ljansson -lJudy -lz -pthread

SRC := $(sort $(wildcard userspace/*.c userspace/*/*.c))
OBJ := $(SRC:%.c=$(B)/%.o)
LIBOBJ := $(filter-out $(B)/userspace/main.o,$(OBJ))
# The observation is one object, linked from one file per concern; the probe's trials are objects of their own.
BPF_PROBE := $(sort $(wildcard bpf/probe*.bpf.c))
# Definitions before uses: bpftool 7.1 leaves the offsets of maps at 0 that it has first seen declared.
BPF := bpf/maps.bpf.c $(filter-out bpf/maps.bpf.c $(BPF_PROBE),$(sort $(wildcard bpf/*.bpf.c)))
SKEL := $(B)/skel/bprec.skel.h $(BPF_PROBE:bpf/%.bpf.c=$(B)/skel/%.skel.h)
UNIT := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/unit/test_*.c)))
PROGSRC := $(sort $(wildcard tests/progs/*.c))
PROGMAIN := $(if $(PROGSRC),$(shell grep -l '^int main\b' $(PROGSRC)))
PROGS := $(PROGMAIN:%.c=$(B)/%)
PROGOBJ := $(patsubst %.c,$(B)/%.o,$(filter-out $(PROGMAIN),$(PROGSRC)))

## Program
all: $(B)/bprec

$(B)/bprec: $(OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/userspace/%.o: userspace/%.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Only these two layers may include skeletons; later the dependency files know which.
$(filter $(B)/userspace/kern/% $(B)/userspace/probe/%,$(OBJ)): | $(SKEL)

# Compiler and flags of the last build: a change of them (or of VERSION) builds everything again. Warnings don't count.
FLAGS := $(CC) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) $(SANFLAGS) $(VERSION)
ifeq ($(filter clean uninstall,$(MAKECMDGOALS)),)
$(shell mkdir -p $(B); printf '%s\n' '$(subst ','\'',$(FLAGS))' | cmp -s - $(B)/flags || \
	printf '%s\n' '$(subst ','\'',$(FLAGS))' >$(B)/flags)
endif

## BPF
$(B)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -target bpf -D__TARGET_ARCH_x86 -O2 -g -Wall $(if $(WERROR),-Werror) -Iinclude -I. -Ibpf \
		$(BPF_CPU) -MMD -MP -MT $@ -MF $(@:.o=.d) -c -o $@ $<

$(B)/bpf/sum.bpf.o: BPF_CPU := -mcpu=v3 # atomic operations that give back the old value

$(B)/bpf/bprec.bpf.o: $(BPF:%.c=$(B)/%.o)
	$(call say,BPFLD,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(B)/skel/%.skel.h: $(B)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst .,_,$*)_bpf > $@.tmp && mv $@.tmp $@

## Tests
# A unit test is one program; it may use everything but main(). A line `libs: -lX` in a file adds libraries.
libs = $(shell sed -n 's,^[/ ]\*.*libs: \(-l[-a-z0-9 l]*\).*,\1,p' $<)

$(B)/tests/unit/%: tests/unit/%.c $(LIBOBJ) $(B)/flags
	$(call say,UNIT,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(LIBOBJ) -lcmocka $(libs) $(LDLIBS)

# Programs that use a layer of bprec, for the tests beside them.
DRIVERS := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/bpf/kern-*.c tests/replay/*.c)))

$(DRIVERS): $(B)/%: %.c $(LIBOBJ) $(B)/flags
	$(call say,PROG,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(LIBOBJ) $(LDLIBS)

# Programs that tests record, or that change files behind a recording: plain C, without sanitizers. What has no main() of
# its own goes into an archive, from which each program takes what it needs.
PROG_CC = $(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g $(WARN) -pthread -MMD -MP

$(B)/tests/progs/%.o: tests/progs/%.c
	@mkdir -p $(@D)
	$(Q)$(PROG_CC) -c -o $@ $<

$(B)/tests/progs/helpers.a: $(PROGOBJ)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/tests/progs/%: tests/progs/%.c $(B)/tests/progs/helpers.a
	$(call say,PROG,$<)
	@mkdir -p $(@D)
	$(Q)$(PROG_CC) -o $@ $< $(B)/tests/progs/helpers.a $(libs)

build-tests: all $(UNIT) $(PROGS) $(DRIVERS)

# Observation needs root; without it those tests are skipped. Traces of tests belong to root then, not to the caller of sudo.
as_root = $(if $(filter-out 0,$(shell id -u)),$(if $(shell command -v sudo),sudo env -u SUDO_UID -u SUDO_GID PATH="$$PATH"))

# deps first: without it the rest may not build. T: patterns of the tests to run.
test:
	@scripts/deps.sh build test
	$(Q)$(MAKE) --no-print-directory $(if $(filter 1,$(V)),,-s) build-tests
	$(Q)$(as_root) env BUILD=$(B) tests/run $(T)

test-unit: $(UNIT)
	$(Q)BUILD=$(B) tests/run unit/

# Takes each rule of DESIGN 12 out of a copy of the tree; a named case of a test has to notice. T: which ones.
test-mutants: build-tests
	$(Q)$(as_root) tests/mutants/run.py $(T)

# Too long for `make test`. T: which parts; STRESS_RUNS: how often race-prone cases of other tests are run (in full: 200).
test-stress:
	@scripts/deps.sh build test
	$(Q)$(MAKE) --no-print-directory $(if $(filter 1,$(V)),,-s) build-tests
	$(Q)$(as_root) env BUILD=$(B) $(if $(STRESS_RUNS),STRESS_RUNS=$(STRESS_RUNS)) tests/stress/run $(T)

# On stock Debian kernels in virtual machines, without KVM; T: patterns of the tests to run there; JOBS: machines at once.
test-vm:
	@scripts/deps.sh build test vm
	$(Q)$(MAKE) --no-print-directory $(if $(filter 1,$(V)),,-s) build-tests
	$(Q)$(as_root) env BUILD=$(B) tests/vm/run $(if $(JOBS),-j $(JOBS)) $(T)

# Every cell of the matrix of channels and objects (tests/lib/cells.py), on this kernel; VM=1: on those of test-vm, too; VM=6.1,
# VM=6.12: on that one alone. SHARE: so many variants of twelve (2: a quarter of an hour without KVM). T: kinds of objects.
# `make coverage` makes docs/COVERAGE.md of the results.
MATRIX = tests/matrix/run $(if $(SHARE),-s $(SHARE))
test-matrix:
	@scripts/deps.sh build test $(if $(VM),vm)
	$(Q)$(MAKE) --no-print-directory $(if $(filter 1,$(V)),,-s) build-tests
	@mkdir -p $(B)/matrix
	$(if $(filter 6.%,$(VM)),,$(Q)$(as_root) env BUILD=$(B) $(MATRIX) -o $(B)/matrix/$(firstword $(subst -, ,$(shell uname -r))).txt $(T))
	$(if $(VM),$(Q)$(as_root) env BUILD=$(B) tests/vm/run -t 14400 $(addprefix -k ,$(filter 6.%,$(VM))) -c '$(strip $(MATRIX))' -o $(B)/matrix $(T))

coverage:
	$(Q)scripts/coverage.py --add $(B)/matrix/*.txt

bench:
	@scripts/deps.sh build bench
	$(Q)$(MAKE) --no-print-directory $(if $(filter 1,$(V)),,-s) build-tests
	$(Q)$(as_root) scripts/bench.py

demo:
	@scripts/deps.sh build demo
	$(Q)$(MAKE) --no-print-directory $(if $(filter 1,$(V)),,-s) all $(B)/tests/progs/demo-reader $(B)/tests/progs/demo-writer
	$(Q)scripts/demo.sh

lint: all
	$(Q)scripts/lint.sh

## Installation
MAN := $(wildcard docs/man/*.1)
INSTALLED = $(prefix)/bin/bprec $(MAN:docs/man/%=$(prefix)/share/man/man1/%) \
	$(prefix)/share/bash-completion/completions/bprec \
	$(prefix)/share/zsh/site-functions/_bprec $(prefix)/share/fish/vendor_completions.d/bprec.fish

install: all
	install -D -m 755 $(B)/bprec $(DESTDIR)$(prefix)/bin/bprec
	install -D -m 644 -t $(DESTDIR)$(prefix)/share/man/man1 $(MAN)
	install -D -m 644 completions/bash/bprec $(DESTDIR)$(prefix)/share/bash-completion/completions/bprec
	install -D -m 644 completions/zsh/_bprec $(DESTDIR)$(prefix)/share/zsh/site-functions/_bprec
	install -D -m 644 completions/fish/bprec.fish $(DESTDIR)$(prefix)/share/fish/vendor_completions.d/bprec.fish

uninstall:
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))

check-install: all
	$(Q)tests/cli/test-install.sh

clean:
	rm -rf build

.PHONY: all build-tests test test-unit test-mutants test-stress test-vm test-matrix coverage bench demo lint install uninstall check-install clean
.DELETE_ON_ERROR:
.SECONDARY:
-include $(OBJ:.o=.d) $(UNIT:=.d) $(PROGS:=.d) $(PROGOBJ:.o=.d) $(wildcard $(B)/bpf/*.d)
