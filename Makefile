# SPDX-License-Identifier: GPL-2.0
#
# The front door. Everything is done by the program in tools/lab; this file
# only gives its tasks names that are short to type. Variables are given after
# the name: make exec CMD='id' ENGINE=c

.DEFAULT_GOAL := help

tasks := run test shell exec bench check docs tree apply unapply series clean

# Only those that are set reach the environment.
export CACHE KERNEL KDIR ENGINE SHARE CMD DISKS TIMEOUT ICOUNT T OUT V

.PHONY: help $(tasks)

$(tasks):
	@tools/lab/bootstrap $@

help:
	@sed 's/^    //' tools/lab/help.txt
