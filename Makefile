# otad: build, install, demo and tests. `make help` lists what there is.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

## -- variants: make VARIANT=asan|tsan|cov, each in a folder of its own --
VARIANT ?= release
B := build/$(VARIANT)
# `make V=1` shows whole commands.
Q := $(if $(V),,@)
SAY = $(if $(V),@:,@printf '  %-7s %s\n')
CC := gcc
PREFIX ?= /usr/local
DESTDIR ?=
CFLAGS ?= -O2 -g

WARN := -Wall -Wextra -Wshadow -Wformat=2 -Wundef -Wvla -Wwrite-strings -Wcast-qual \
	-Wstrict-prototypes -Wmissing-prototypes -Wimplicit-fallthrough -Werror=implicit \
	-Werror=int-conversion -Werror=incompatible-pointer-types -Werror=return-type \
	-Werror=unused-function
HARDEN := -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection
ifeq ($(VARIANT),release)
HARDEN += -D_FORTIFY_SOURCE=2
endif
SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SANITIZE_tsan := -fsanitize=thread -fno-omit-frame-pointer
SANITIZE_cov := --coverage
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) $(HARDEN) $(SANITIZE_$(VARIANT)) -pthread \
	-Iserver -I$(B)/gen -MMD -MP $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie -pthread -Wl,-z,relro,-z,now,-z,noexecstack $(SANITIZE_$(VARIANT)) $(LDFLAGS)
DAEMON_LIBS := -lmicrohttpd -lsqlite3 -lssl -lcrypto -ljansson -linih -lsystemd -lm
CLI_LIBS := -lcurl -lssl -lcrypto -ljansson -linih -lm
SHARE := $(DESTDIR)$(PREFIX)/share

## -- what is built from what --
LIB_SRC := $(shell find server -name '*.c' ! -path 'server/cli/*' ! -path server/main.c | LC_ALL=C sort)
CLI_SRC := $(wildcard server/cli/*.c)
FLEET_SRC := $(wildcard tests/fleet/*.c)
SIM_SRC := $(wildcard tests/sim/*.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
FAULT_SRC := $(wildcard tests/fault/test_*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
BENCH_SRC := $(wildcard tests/bench/bench_*.c)
SQL := $(wildcard server/store/*.sql)
MIGRATIONS := $(wildcard schema/[0-9]*.sql)
# Pictures of the console are for people who read the README, not for browsers.
WEB := $(shell find web -type f ! -name '*.png' | LC_ALL=C sort)
GEN := $(SQL:server/%.sql=$(B)/gen/%.sql.h) $(B)/gen/migrations.h $(B)/gen/web_files.h $(B)/gen/openapi.h
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
PROGRAMS := $(B)/otad $(B)/otactl
UNIT := $(UNIT_SRC:tests/%.c=$(B)/tests/%) $(FAULT_SRC:tests/%.c=$(B)/tests/%)
FUZZ := $(FUZZ_SRC:tests/%.c=$(B)/tests/%)
BENCH := $(BENCH_SRC:tests/%.c=$(B)/tests/%)

all: $(PROGRAMS) ## build otad and otactl into build/release (VARIANT=asan|tsan|cov for others)
programs: all $(B)/otad-fleet
unit: $(UNIT) $(B)/tests/sim/sim
fuzzers: $(FUZZ)

$(B)/otad: $(B)/server/main.o $(B)/libotad.a
	$(SAY) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS)
$(B)/otactl: $(CLI_SRC:%.c=$(B)/%.o) $(B)/libotad.a
	$(SAY) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CLI_LIBS)
$(B)/otad-fleet: $(FLEET_SRC:%.c=$(B)/%.o) $(B)/libotad.a
	$(SAY) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lssl -lcrypto -ljansson -lm
$(B)/tests/sim/sim: $(SIM_SRC:%.c=$(B)/%.o) $(B)/libotad.a
	$(SAY) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS)
$(B)/libotad.a: $(LIB_OBJ)
	@rm -f $@
	$(SAY) AR $@
	$(Q)ar rcs $@ $^

# Objects in a folder no longer built from are no longer archived: the list above is the archive.
$(B)/%.o: %.c $(B)/flags | $(GEN)
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(B)/tests/unit/% : tests/unit/%.c $(B)/libotad.a $(B)/flags
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(CC) $(ALL_CFLAGS) -Itests $(ALL_LDFLAGS) -o $@ $< $(B)/libotad.a -lcmocka $(DAEMON_LIBS)
$(B)/tests/fault/% : tests/fault/%.c $(B)/libotad.a $(B)/flags
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(CC) $(ALL_CFLAGS) -Itests $(ALL_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup \
		-o $@ $< $(B)/libotad.a -lcmocka $(DAEMON_LIBS)
# Without libFuzzer: a plain main that replays a corpus. `make fuzz` builds the searching form.
$(B)/tests/fuzz/% : tests/fuzz/%.c tests/fuzz/replay.c $(B)/libotad.a $(B)/flags
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(CC) $(ALL_CFLAGS) -Itests $(ALL_LDFLAGS) -o $@ $< tests/fuzz/replay.c $(B)/libotad.a $(DAEMON_LIBS)
$(B)/tests/bench/% : tests/bench/%.c $(B)/libotad.a $(B)/flags
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(CC) $(ALL_CFLAGS) -Itests $(ALL_LDFLAGS) -o $@ $< $(B)/libotad.a $(DAEMON_LIBS)

# A change of flags rebuilds what they shape.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' > $@

## -- generated: statements, migrations, console and API description as C --
$(B)/gen/store/%.sql.h: server/store/%.sql server/store/sql.awk
	@mkdir -p $(@D)
	@awk -f server/store/sql.awk $< > $@
EMBED = od -An -v -tx1 $(1) | sed 's/[0-9a-f][0-9a-f]/0x&,/g'
$(B)/gen/migrations.h: $(MIGRATIONS)
	@mkdir -p $(@D)
	@{ for f in $^; do n=$$(basename $$f .sql); echo "static const char m_$$n[] = {"; \
	   $(call EMBED,$$f); echo "0};"; done; echo "static const struct { const char *name; const char *sql; } migrations[] = {"; \
	   for f in $^; do n=$$(basename $$f .sql); echo "{\"$$n\", m_$$n},"; done; echo "};"; } > $@
$(B)/gen/web_files.h: $(WEB)
	@mkdir -p $(@D)
	@{ i=0; for f in $^; do echo "static const unsigned char web_$$i[] = {"; $(call EMBED,$$f); echo "0};"; i=$$((i+1)); done; \
	   echo "static const struct { const char *path; const unsigned char *bytes; size_t size; } web_files[] = {"; i=0; \
	   for f in $^; do echo "{\"$${f#web/}\", web_$$i, sizeof web_$$i - 1},"; i=$$((i+1)); done; echo "};"; } > $@
$(B)/gen/openapi.h: schema/openapi.json
	@mkdir -p $(@D)
	@{ echo "static const char openapi_json[] = {"; $(call EMBED,$<); echo "0};"; } > $@

# The sample and the manual of the settings come from the table in server/core/config.def.
config/otad.conf: $(B)/otad
	$(B)/otad --print-config > $@
config/otad.conf.5: config/otad.conf.5.in config/manual.awk config/otad.conf.5.tail server/core/config.def
	awk -f config/manual.awk server/core/config.def | cat config/otad.conf.5.in - config/otad.conf.5.tail > $@

-include $(shell find $(B) -name '*.d' 2>/dev/null)

## -- the two commands, and their parts --
demo: ## the whole way on real input: install what is missing, build, update 51 devices, check (KEEP=1 leaves it running)
	@tests/install.sh build demo
	@$(MAKE) --no-print-directory -j$$(nproc) programs
	@KEEP=$(KEEP) B=$(B) tests/demo.sh

check: ## install what tests need, build, pass every test (at most 15 minutes)
	@tests/install.sh build check
	@$(MAKE) --no-print-directory -j$$(nproc) programs unit fuzzers
	@/usr/bin/python3 tests/check.py all

check-quick: ## build and the fast part of the tests (under 90 seconds)
	@$(MAKE) --no-print-directory -j$$(nproc) programs unit
	@/usr/bin/python3 tests/check.py quick

check-ktls: programs ## kernel TLS, functionally, in a virtual machine
	@tests/install.sh ktls
	@B=$(B) tests/clients/ktls.sh

check-systemd: programs ## the installed unit under a real systemd, sandbox and all, in a container (as root)
	@tests/install.sh systemd
	@B=$(B) tests/clients/systemd.sh

bench: ## figures side by side with nginx; the method is printed with them
	@tests/install.sh build bench
	@$(MAKE) --no-print-directory -j$$(nproc) programs $(BENCH)
	@/usr/bin/python3 tests/bench/bench.py

fuzz: ## search with libFuzzer, FUZZ_SECONDS (default 60) per target
	@tests/install.sh build fuzz
	@tests/fuzz/search.sh

soak: ## the demo's load for SOAK_MINUTES (default 60), watching memory and descriptors
	@tests/install.sh build demo
	@$(MAKE) --no-print-directory -j$$(nproc) programs
	@tests/soak.sh

lint: all ## layers, SQL plans, formatting, manual pages, shell scripts
	@/usr/bin/python3 tests/check.py lint

install: all ## install into DESTDIR/PREFIX
	install -D -m 755 $(B)/otad $(DESTDIR)$(PREFIX)/sbin/otad
	install -D -m 755 $(B)/otactl $(DESTDIR)$(PREFIX)/bin/otactl
	install -D -m 644 config/otad.conf $(SHARE)/otad/otad.conf
	install -D -m 644 schema/openapi.json $(SHARE)/otad/openapi.json
	install -D -m 644 systemd/otad.8 $(SHARE)/man/man8/otad.8
	install -D -m 644 config/otad.conf.5 $(SHARE)/man/man5/otad.conf.5
	install -D -m 644 config/otad-clients.7 $(SHARE)/man/man7/otad-clients.7
	install -D -m 644 config/otactl.1 $(SHARE)/man/man1/otactl.1
	install -D -m 644 config/otactl.bash $(SHARE)/bash-completion/completions/otactl
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/local|$(PREFIX)|g' systemd/otad.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/otad.service
	install -m 644 systemd/otad.socket systemd/otad-operator.socket $(DESTDIR)$(PREFIX)/lib/systemd/system/
	install -D -m 644 systemd/otad.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/otad.conf

INSTALLED := sbin/otad bin/otactl share/otad/otad.conf share/otad/openapi.json share/man/man8/otad.8 \
	share/man/man5/otad.conf.5 share/man/man7/otad-clients.7 share/man/man1/otactl.1 share/bash-completion/completions/otactl \
	lib/systemd/system/otad.service lib/systemd/system/otad.socket lib/systemd/system/otad-operator.socket \
	lib/sysusers.d/otad.conf
installed-list:
	@printf '%s\n' $(addprefix $(PREFIX)/,$(INSTALLED))
uninstall: ## remove what install put there
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,$(INSTALLED))
	-rmdir $(SHARE)/otad

format: ## lay out all C sources
	find server tests -name '*.[ch]' | xargs clang-format-14 -i

clean: ## remove everything built
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

FORCE:
.PHONY: all programs unit fuzzers demo check check-quick check-ktls check-systemd bench fuzz soak lint install installed-list uninstall format clean help FORCE
