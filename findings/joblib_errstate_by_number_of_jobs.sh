#!/usr/bin/env bash
# joblib 1.6.0 with NumPy 2.4.6, CPython (not the free-threaded build).
#
# Behaviour: `with np.errstate(all="raise")` around a joblib.Parallel with threads holds with one job and
# is not seen with two: the division by zero then gives infinity and at most a warning. The state belongs
# to the context, which a new thread of a pool starts empty; joblib hands nothing on, nor does
# ThreadPoolExecutor. `asyncio.to_thread` does hand it on, `loop.run_in_executor` does not.
#
# Wrong guess: that threads of one process, unlike processes, share such settings, as they share filters
# of `warnings`, so that n_jobs is a question of speed and an overflow that stopped a fit with n_jobs=1
# stops it with n_jobs=2.
#
# Seen (this script fails if it changes): one divided by zero under np.errstate(all="raise"):
#     Parallel(n_jobs=1): FloatingPointError
#     Parallel(n_jobs=2): inf
#     ThreadPoolExecutor: inf
#     loop.run_in_executor: inf
#     asyncio.to_thread: FloatingPointError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q joblib==1.6.0 numpy==2.4.6 2>/dev/null
cat > "$folder/state.py" <<'PYTHON'
import asyncio
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from joblib import Parallel, delayed

warnings.simplefilter("ignore")


def divide():
    return float(np.float64(1) / np.float64(0))


def by_joblib(n_jobs):
    return Parallel(n_jobs=n_jobs, backend="threading")(delayed(divide)() for _ in range(4))[0]


def by_pool():
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(divide).result()


async def by_executor():
    return await asyncio.get_running_loop().run_in_executor(None, divide)


async def by_to_thread():
    return await asyncio.to_thread(divide)


def outcome(name, function):
    try:
        with np.errstate(all="raise"):
            result = str(function())
    except FloatingPointError as error:
        result = type(error).__name__
    print(f"{name}: {result}")
    return result


assert outcome("Parallel(n_jobs=1)", lambda: by_joblib(1)) == "FloatingPointError"
assert outcome("Parallel(n_jobs=2)", lambda: by_joblib(2)) == "inf"
assert outcome("ThreadPoolExecutor", by_pool) == "inf"
assert outcome("loop.run_in_executor", lambda: asyncio.run(by_executor())) == "inf"
assert outcome("asyncio.to_thread", lambda: asyncio.run(by_to_thread())) == "FloatingPointError"
PYTHON
"$folder/venv/bin/python" "$folder/state.py"
