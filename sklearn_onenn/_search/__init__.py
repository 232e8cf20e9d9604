"""From a start to a fit, and which fit to keep.

``one_start`` takes a start through descent and ``polish``, which takes the first of a few ``regimes``
that applies; these are made of ``stages``. ``ensemble`` is the regime in which several ``members`` are
averaged, of ``few_targets`` maybe beside a line. ``multistart`` decides which further ``starts`` are
worth trying and keeps the best; ``reference`` tells it when a fit missed what rows alone predict.
``growing_samples`` does this on a sample where rows are many, ``few_rows`` on white rows where they are
fewer than the columns; ``width`` chooses the number of units. ``progress`` records the losses and tells
observers. ``rules`` has the numbers that all of them go by.
"""
