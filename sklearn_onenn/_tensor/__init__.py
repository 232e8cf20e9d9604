"""Algorithm 1 of the paper: a start from the moments of the data.

In the order of the algorithm: ``hermite`` moments of a block; the ``span`` of the hidden weight
vectors; symmetric ``slices`` of the higher moments there; their ``joint_diagonalization``, which gives
a direction for each unit; signs and scales of the ``units``. ``initialization`` does these one after
another. ``raw_moments`` is the algorithm with the moments of the paper, ``stein_slices`` and
``stein_span`` serve rows of known density, and ``spectrum`` shows how many units the moments tell from
noise. ``rules`` has the numbers that they go by.
"""
