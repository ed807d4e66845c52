#!/usr/bin/env bash
# Compiles the bare C programs that the benchmarks compare with, into .build/anchors or the folder given.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly out="${1:-.build/anchors}"
mkdir -p "$out"
# shellcheck disable=SC2046 # pkg-config's answer is a list of words
cc -O2 -std=c11 -Wall -Wextra -Werror -o "$out/nfqueue-loop" bench/anchors/nfqueue-loop.c $(pkg-config --cflags --libs libmnl)
cc -O2 -std=c11 -Wall -Wextra -Werror -o "$out/udp-echo" bench/anchors/udp-echo.c
cc -O2 -std=c11 -Wall -Wextra -Werror -o "$out/tcp-load" bench/anchors/tcp-load.c
cc -O2 -std=c11 -Wall -Wextra -Werror -o "$out/dns-load" bench/anchors/dns-load.c
