"""Types that annotations share."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
# Rows X of a block: an array, or a SciPy CSR array, which has no type that mypy knows.
RowMatrix = Any
