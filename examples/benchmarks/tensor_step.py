"""The tensor step alone: components of a noisy symmetric k x k x k tensor.

The tensor is sum_i w_i u_i u_i u_i with unit vectors u_i that are the columns of a matrix with
singular values from 1 to kappa = 2, weights +-1, and symmetric noise of relative Frobenius norm .05.
Error: the sine of the angle between a true and a found direction, the worst of the k, its median over
the seeds. Seconds are medians. The peers: uwedge of pyriemann, which diagonalizes the same k slices
jointly, and tensorly's symmetric power iteration with deflation, where they are installed.

    python examples/benchmarks/tensor_step.py          20 seeds
"""

import argparse
import time
from itertools import permutations
from pathlib import Path

import numpy as np
from _report import Report
from scipy.optimize import linear_sum_assignment
from threadpoolctl import threadpool_limits

from sklearn_onenn._tensor.joint_diagonalization import tensor_components, wedge_components

NOISE, KAPPA = 0.05, 2.0


def planted(k, seed):
    """Directions (k, k) in columns, and the noisy tensor."""
    rng = np.random.default_rng(seed)
    Q, P = (np.linalg.qr(rng.standard_normal((k, k)))[0] for _ in range(2))
    U = Q * np.linspace(1, KAPPA, k) @ P.T
    U /= np.linalg.norm(U, axis=0)
    T = np.einsum("i,ai,bi,ci->abc", rng.choice([-1.0, 1.0], k), U, U, U)
    E = rng.standard_normal((k, k, k))
    E = sum(E.transpose(order) for order in permutations(range(3)))
    return U, T + NOISE * np.linalg.norm(T) / np.linalg.norm(E) * E


def worst_sine(U, found):
    """Of the best matching of the found columns to those of U."""
    cosine = np.abs(U.T @ (found / np.linalg.norm(found, axis=0)))
    matched = cosine[linear_sum_assignment(-cosine)].min()
    return np.sqrt(max(0.0, 1 - matched**2))


def methods():
    """Directions in columns from a tensor, by name; those of packages that are installed."""
    table = {
        "U-WEDGE (default start)": lambda T, seed: wedge_components(T, random_state=rng_of(seed)),
        "two-stage projections": lambda T, seed: tensor_components(T, random_state=rng_of(seed))[0],
    }
    try:
        from pyriemann.geometry.ajd import uwedge
    except ImportError:
        pass
    else:
        # The rows of the diagonalizer are dual to the components.
        table["pyriemann uwedge"] = lambda T, seed: np.linalg.inv(uwedge(T)[0])
    try:
        from tensorly.decomposition import symmetric_parafac_power_iteration
    except ImportError:
        pass
    else:

        def power(T, seed):
            np.random.seed(seed)  # it draws from the global generator  # noqa: NPY002
            return symmetric_parafac_power_iteration(T, rank=len(T), n_repeat=10)[1]

        table["tensorly power iteration"] = power
    return table


def rng_of(seed):
    return np.random.RandomState(seed)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    n_seeds = parser.parse_args().seeds
    path = Path(__file__).parents[2] / "doc" / "benchmarks" / "tensor_step.md"
    with threadpool_limits(1):
        report = Report(path, "The tensor step", __doc__, ["k", "method", "worst sine", "milliseconds"])
        report.note(f"{n_seeds} seeds, from 0.")
        for k in (5, 10, 20):
            for name, method in methods().items():
                sines, seconds = [], []
                for seed in range(n_seeds):
                    U, T = planted(k, seed)
                    begin = time.perf_counter()
                    found = method(T, seed)
                    seconds.append(time.perf_counter() - begin)
                    sines.append(worst_sine(U, found))
                report.row([k, name, f"{np.median(sines):.3f}", f"{1000 * np.median(seconds):.1f}"])


if __name__ == "__main__":
    main()
