"""Limits of double precision."""

import numpy as np

EPSILON = np.finfo(float).eps
TINY = np.finfo(float).tiny
