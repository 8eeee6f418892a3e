#!/usr/bin/env bash
# Checks a machine with an NVIDIA GPU, and keeps what it saw: devices and versions, every test with
# the GPU required, the parity matrix over devices and execution providers, the kernels'
# speed beside their peers.
#
#     scripts/check_gpu.sh FOLDER
#
# Exits with the first failure's code, after all steps have run.
set -uo pipefail
results=${1:?usage: scripts/check_gpu.sh FOLDER}
mkdir -p "$results"
results=$(cd "$results" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
status=0

step() { # NAME COMMAND...: run it, keep what it prints
    local name=$1 code
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    "$@" 2>&1 | tee "$results/$name.txt"
    code=${PIPESTATUS[0]}
    echo "exit code $code" >>"$results/$name.txt"
    if ((status == 0)); then status=$code; fi
}

date -u +%Y-%m-%dT%H:%MZ | tee "$results/date.txt"
step driver nvidia-smi
step devices roi-accel devices --json
step tests python -m pytest -q -p no:cacheprovider --require-backend cuda --require-backend opencl \
    --require-backend numba tests/backends tests/parity tests/providers
step parity roi-accel parity --devices all --eps cpu,cuda --require-backend cuda \
    --json "$results/parity.json" --markdown "$results/parity.md" --overwrite
step bench roi-accel bench --backends numba,opencl,cuda --sizes 1080p,2160p \
    --formats yuv420p,yuv420p10le --json "$results/kernels.json" --overwrite
exit "$status"
