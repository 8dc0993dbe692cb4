# SPDX-License-Identifier: GPL-2.0
#
# The front door. The program in tools/lab does the tasks; this file only gives
# them names that are short to type. Variables are given after the name:
# make exec CMD='id' ENGINE=c

.DEFAULT_GOAL := help

tasks := run test scene clients apps storm fuzz battery sanitize shell exec bench check lint module configs docs tree apply unapply series clean

variables := CACHE KERNEL KDIR ARCH ENGINE SHARE CMD DISKS IMAGE TIMEOUT ICOUNT T S ON MINUTES MOUNTS FILES CALLS SEED OPS WORLD FRAGMENTS FIXES FS M OUT SENDER ASSISTED JOBS V

# Those that are set reach the environment, as they were typed: a $ in CMD is
# the guest's, not make's.
$(foreach name,$(variables),$(if $(filter-out undefined,$(origin $(name))),\
	$(eval override export $(name) := $$(value $(name)))))

.PHONY: help install uninstall install-lib uninstall-lib deb $(tasks)

$(tasks):
	@tools/lab/bootstrap $@

# The tool: PREFIX, DESTDIR and more are described in its Makefile.
install uninstall deb:
	@$(MAKE) --no-print-directory -f tools/mount-idmapped/Makefile $@

# The library for C, likewise.
install-lib uninstall-lib:
	@$(MAKE) --no-print-directory -f tools/idmap-c/Makefile $@

help:
	@sed 's/^    //' tools/lab/help.txt
