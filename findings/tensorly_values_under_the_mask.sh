#!/usr/bin/env bash
# tensorly 0.10.0 with NumPy 2.4.6.
#
# Behaviour: the entries that the mask of `parafac` hides decide the result. They are not left out of
# the fit but taken as first guesses, which then are replaced by those of the model, step by step. With
# zeros in the gaps a tensor of rank two is recovered; with -999 there, a common code for missing, 2000
# iterations end at an error of nearly all of the entries that were seen; with 1e6 it stops after a few,
# as if converged. None of them warns.
#
# Wrong guess: that what is masked is not looked at, so that it makes no difference what stands there.
#
# Seen (this script fails if it changes): 6 x 7 x 8, every tenth entry hidden on average, no noise:
#     0 in the gaps: 28 iterations, relative error of seen entries 1.3e-08
#     -999 in the gaps: 2000 iterations, relative error of seen entries 9.3e-01
#     1e+06 in the gaps: 54 iterations, relative error of seen entries 9.4e-01
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tensorly==0.10.0 numpy==2.4.6 scipy==1.16.3 2>/dev/null
cat > "$folder/mask.py" <<'PYTHON'
import warnings

import numpy as np
from tensorly.decomposition import parafac

warnings.simplefilter("error")
rng = np.random.default_rng(0)
A, B, C = (rng.normal(size=(length, 2)) for length in (6, 7, 8))
T = np.einsum("ir,jr,kr->ijk", A, B, C)
seen = rng.random(T.shape) > 0.1


def recovered(gaps):
    """Number of iterations, and the error of the entries that the mask does not hide."""
    filled = np.where(seen, T, gaps)
    cp, errors = parafac(
        filled, 2, mask=seen, init="random", random_state=0, n_iter_max=2000, return_errors=True
    )
    error = np.linalg.norm((cp.to_tensor() - T)[seen]) / np.linalg.norm(T[seen])
    print(f"{gaps:g} in the gaps: {len(errors)} iterations, relative error of seen entries {error:.1e}")
    return len(errors), error


_, error = recovered(0.0)
assert error < 1e-6
n_iterations, error = recovered(-999.0)
assert n_iterations == 2000
assert error > 0.5
n_iterations, error = recovered(1e6)
assert n_iterations < 500
assert error > 0.5
PYTHON
"$folder/venv/bin/python" "$folder/mask.py"
