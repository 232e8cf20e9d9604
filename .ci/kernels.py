"""Prints the names of two OpenBLAS kernels beside the one that the processor picks, one a line.

Each is one that ``OPENBLAS_CORETYPE`` puts into force here, and that the processor can run. Where there
are fewer, as on processors of another kind or with another BLAS, stderr says so.
"""

import os
import subprocess
import sys
from pathlib import Path

# With the flags that Linux has for their instructions. Those most unlike to the ones that today's
# processors pick come first.
CANDIDATES = {
    "Haswell": {"avx2", "fma"}, "Prescott": {"pni"}, "Sandybridge": {"avx"}, "Nehalem": {"sse4_2"},
}  # fmt: skip
IN_FORCE = """
import numpy, scipy.linalg, threadpoolctl
blas = [library for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]
print(*sorted({library.get("architecture", library["internal_api"]) for library in blas}))
"""


def in_force(kernel=None):
    """What the BLAS of NumPy and that of SciPy say they run, in a process that asks for a kernel."""
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    if kernel is not None:
        environment["OPENBLAS_CORETYPE"] = kernel
    command = [sys.executable, "-c", IN_FORCE]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def flags(cpuinfo=Path("/proc/cpuinfo")):
    """Instructions that the processor has, by their names in Linux; none where they are not told."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return {flag for line in lines if line.startswith("flags") for flag in line.split()}


def others(in_force, flags, number=2):
    """Kernels that the processor can run, and whose names in force are not those of one before."""
    seen, found = {in_force()}, []
    for kernel, needed in CANDIDATES.items():
        if needed <= flags and len(found) < number and (name := in_force(kernel)) not in seen:
            seen.add(name)
            found.append(kernel)
    return found


if __name__ == "__main__":
    kernels = others(in_force, flags())
    if len(kernels) < 2:
        own = in_force().strip() or "one that is not told"
        print(f"Of two more BLAS kernels {len(kernels)} can run here, beside {own}.", file=sys.stderr)
    print(*kernels, sep="\n", end="\n" if kernels else "")
