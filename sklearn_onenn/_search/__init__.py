"""From a start to a fit, and which fit to keep.

``one_start`` takes a start through descent and ``polish``, which chooses among a few ``regimes`` and is
made of ``stages``; ``ensemble`` is the regime of several networks that are averaged. ``multistart``
decides which further ``starts`` are worth trying and keeps the best. ``growing_samples`` does this on a
sample where rows are many; ``width`` chooses the number of units. ``progress`` records the losses and
tells observers, and ``rules`` holds the numbers that all of them go by.
"""
