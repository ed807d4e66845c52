# Everything needs Debian 12, root and Swift 6.2 or later; `make deps` installs the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
.NOTPARALLEL:

RELEASE := .build/release
FUZZ_SECONDS ?= 600
BENCH_ARGUMENTS ?=

.PHONY: help deps build run test torture bench fuzz lint clean

help: ## what can be made
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/make \1	\2/p' Makefile

deps: ## install the Debian packages that are missing
	@scripts/deps

build: deps ## the exeat program, optimised
	swift build -c release --product exeat

run: build ## the whole path on this machine, in network namespaces of its own; ends with Ctrl-C
	$(RELEASE)/exeat demo

test: deps ## unit, scenario and kernel tests, simulation, short fuzzing
	@scripts/test

torture: deps ## the kernel tests that break things, at full length (25 minutes)
	@scripts/torture

bench: ## measure against bare C loops, unbound, dnsmasq, dnsdist and OpenSnitch
	@scripts/deps --bench
	@bench/anchors.sh
	swift build -c release --product exeat
	swift build -c release --product exeat-bench
	EXEAT_BINARY=$(RELEASE)/exeat EXEAT_ANCHORS=.build/anchors $(RELEASE)/exeat-bench $(BENCH_ARGUMENTS)

fuzz: deps ## fuzz the parsers for FUZZ_SECONDS (600)
	swift build -c release --product exeat-fuzz
	$(RELEASE)/exeat-fuzz --seconds $(FUZZ_SECONDS)

lint: ## formatting
	swift format lint --strict -r Sources Tests bench Package.swift

clean: ## remove what was built
	rm -rf .build
