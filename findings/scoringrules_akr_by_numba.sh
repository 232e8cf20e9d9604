#!/usr/bin/env bash
# scoringrules 0.10.0 with NumPy 2.4.6, numba 0.68.1.
#
# Behaviour: `crps_ensemble(estimator="akr")` gives other scores with backend="numba" than with "numpy".
# The estimator compares each member with the one before, and the first with the last. numba's version
# compares the first with the last but one, which of two members is itself. The estimators "nrg" and
# "fair", and the energy score's "akr" of the same members, agree in both. Without a backend the scores
# are numpy's, although numba is installed and `scoringrules.backends.active` is numba's.
#
# Wrong guess: that a backend changes speed and the last digits only; and that, by the documentation, the
# default is numba if available.
#
# Seen (this script fails if it changes): five members; members -1 and 1 with an observation of 0:
#     numpy: nrg 0.187, fair 0.135, akr 0.109, energy score's akr 0.109, akr of two members 0.000
#     numba: nrg 0.187, fair 0.135, akr 0.173, energy score's akr 0.109, akr of two members 0.500
#     by default: nrg 0.187, fair 0.135, akr 0.109, energy score's akr 0.109, akr of two members 0.000
#     active: NumbaBackend
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q scoringrules==0.10.0 numpy==2.4.6 scipy==1.16.3 \
    numba==0.68.1 2>/dev/null
cat > "$folder/akr.py" <<'PYTHON'
import numpy as np
import scoringrules as sr

ensemble = np.random.default_rng(0).normal(size=5)
names = "nrg", "fair", "akr", "energy score's akr", "akr of two members"


def scores(backend):
    options = {"estimator": "akr", "backend": backend}
    found = [sr.crps_ensemble(0.3, ensemble, **(options | {"estimator": name})) for name in names[:3]]
    found.append(sr.es_ensemble(np.array([0.3]), ensemble[:, None], **options))
    found.append(sr.crps_ensemble(0.0, np.array([-1.0, 1.0]), **options))
    texts = [f"{name} {score:.3f}" for name, score in zip(names, found, strict=True)]
    print(f"{backend or 'by default'}:", ", ".join(texts))
    return np.array(found, dtype=float)


by_numpy, by_numba, by_default = scores("numpy"), scores("numba"), scores(None)
print("active:", type(sr.backends.active).__name__)
assert type(sr.backends.active).__name__ == "NumbaBackend"
np.testing.assert_array_equal(by_default, by_numpy)
np.testing.assert_allclose(by_numba[[0, 1, 3]], by_numpy[[0, 1, 3]])
assert abs(by_numba[2] - by_numpy[2]) > 0.05 * by_numpy[2]
np.testing.assert_allclose([by_numpy[4], by_numba[4]], [0, 0.5])
PYTHON
"$folder/venv/bin/python" "$folder/akr.py"
