"""Hostile inputs: is every fit a clear error, or finite and no worse than the mean?

A case draws rows, targets, weights and parameters of many kinds, by its number: 2 to 500 rows, 1 to 100
columns, 1 to 7 outputs; columns that are constant, equal, collinear, heavy-tailed, of sizes from 1e-300
to 1e300; sparse, single precision, lists, objects; targets that are constant, discrete, far from zero or
out of measure; weights of all sizes; any valid parameters. One in ten has a parameter that no fit can
have, one in ten an entry, a length or a shape that is wrong, some have held-out rows, or come in blocks
that change from pass to pass. A violation is anything but

- a ValueError or TypeError that names an argument, after which the estimator is as it was; or
- a fit that is finite in all it says and predicts, no worse on its rows than the mean of y (than zero,
  without intercepts), exact where an output is constant, with intervals that are some, and the same from
  a pickle;

or an argument that was changed, a warning that is neither a ConvergenceWarning nor a UserWarning, or
more than 20 seconds of the processor. Generator and judge are tests/hostile.py.

Most and mean seconds: of the processor, one thread, of fit and judge together.

    python examples/benchmarks/hostile.py                    10 000 cases, on all cores
    python examples/benchmarks/hostile.py --cases 500
    python examples/benchmarks/hostile.py --first 723 --cases 1      one of them
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from _report import Report
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from hostile import draw, judge  # noqa: E402 (after the path)


def one_case(seed):
    """Kind, violations, whether it was refused, and seconds."""
    case, arrays = draw(seed)
    with threadpool_limits(1):
        found, failed, seconds = judge(case, arrays)
    return case.kind, [f"case {seed} ({case.name}): {words}" for words in found], failed, seconds


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=-1)
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.cases)
    results = Parallel(n_jobs=arguments.jobs, verbose=1, batch_size=20)(
        delayed(one_case)(seed) for seed in seeds
    )
    report = Report(
        ROOT / "doc" / "benchmarks" / "hostile.md", "Hostile inputs", __doc__,
        ["kind", "cases", "refused", "violations", "mean seconds", "most seconds"],
    )  # fmt: skip
    report.note(f"Cases {seeds[0]} to {seeds[-1]}.")
    for line in (line for result in results for line in result[1]):
        report.note(f"Violation: {line}.")
    kinds = sorted({kind for kind, *_ in results})
    for kind in [*kinds, "all"]:
        some = [result for result in results if kind in (result[0], "all")]
        seconds = [result[3] for result in some]
        report.row([
            kind, len(some), sum(result[2] for result in some), sum(bool(result[1]) for result in some),
            f"{np.mean(seconds):.2f}", f"{np.max(seconds):.1f}",
        ])  # fmt: skip


if __name__ == "__main__":
    main()
