#!/usr/bin/env bash
# threadpoolctl 3.8.0 with NumPy 2.4.6 (OpenBLAS, pthreads).
#
# Behaviour: once a thread has set a BLAS limit outside of a `with` block, by `threadpool_limits(1)` or
# `ThreadpoolController().limit(limits=1)`, a limit that any other thread sets is ignored without an
# error or a warning, for as long as the first thread lives: also one set by a `with` block, also after
# the first limit was lifted by `restore_original_limits()`.
#
# Wrong guess: that a limit set by one thread and lifted again leaves nothing behind, so that
# `with threadpool_limits(1):` in a worker thread limits BLAS there, as it did with 3.7.0.
#
# Seen (this script prints it, and fails if it changes):
#     3.7.0: before 2, in a second thread 1
#     3.8.0: before 2, in a second thread 2
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
cat > "$folder/limit.py" <<'PYTHON'
from threading import Thread

import numpy  # loads OpenBLAS
import threadpoolctl


def blas_threads():
    found = [library for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]
    return max(library["num_threads"] for library in found)


def limited():
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        seen.append(blas_threads())


threadpoolctl.threadpool_limits(1, user_api="blas").restore_original_limits()
before, seen = blas_threads(), []
thread = Thread(target=limited)
thread.start()
thread.join()
print(f"{threadpoolctl.__version__}: before {before}, in a second thread {seen[0]}")
PYTHON
run() {
    "$folder/venv/bin/pip" install -q numpy==2.4.6 "threadpoolctl==$1" 2>/dev/null
    OPENBLAS_NUM_THREADS=2 "$folder/venv/bin/python" "$folder/limit.py"
}
expected=$'3.7.0: before 2, in a second thread 1\n3.8.0: before 2, in a second thread 2'
found=$(run 3.7.0; run 3.8.0)
echo "$found"
[ "$found" = "$expected" ]
