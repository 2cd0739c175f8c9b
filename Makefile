# bprec: see README.md. Everything generated goes to build/ (SAN=1: build/san/).

## Settings
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(shell command -v bpftool || echo /usr/sbin/bpftool)
PKGS := libbpf libelf libdw libzstd libxxhash jansson
prefix ?= /usr/local
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' $(1) $(2))

ifeq ($(SAN),1)
B := build/san
SANFLAGS := -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
else
B := build
endif

VERSION := $(shell cat VERSION)
CPPFLAGS += -Iinclude -Iuserspace -I$(B)/skel -D_GNU_SOURCE -DBPREC_VERSION='"$(VERSION)"'
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef $(if $(WERROR),-Werror)
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARN) $(SANFLAGS) -pthread
LDLIBS := -lbpf -lelf -ldw -lzstd -lxxhash -ljansson -lJudy -lz -pthread

SRC := $(sort $(wildcard userspace/*.c userspace/*/*.c))
OBJ := $(SRC:%.c=$(B)/%.o)
LIBOBJ := $(filter-out $(B)/userspace/main.o,$(OBJ))
BPF := $(sort $(wildcard bpf/*.bpf.c))
SKEL := $(BPF:bpf/%.bpf.c=$(B)/skel/%.skel.h)

## Program
all: $(B)/bprec

$(B)/bprec: $(OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/userspace/%.o: userspace/%.c | $(SKEL)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

## BPF
$(B)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -target bpf -D__TARGET_ARCH_x86 -O2 -g -Wall -Iinclude -I. -Ibpf -MMD -MP -MT $@ -MF $(@:.o=.d) -c -o $@ $<

$(B)/skel/%.skel.h: $(B)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst .,_,$*)_bpf > $@.tmp && mv $@.tmp $@

clean:
	rm -rf build

.PHONY: all clean
.DELETE_ON_ERROR:
.SECONDARY:
-include $(OBJ:.o=.d) $(wildcard $(B)/bpf/*.d)
