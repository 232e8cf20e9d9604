"""What the rows are, and sums over them.

All that the method needs from the data are sums over rows. ``rows`` cuts an array into ``blocks`` and
adds what a function returns for each of them; ``streams`` does so for rows that are read from files,
of which a first pass makes a ``summary``.
``targets`` brings targets to unit scale, ``whitening`` finds ``coordinates`` in which the rows have unit
covariance, and where rows are few, by ``ridge`` regression, the scale of their columns; ``gaussianity``
says whether rows pass for normal ones there. ``rules`` has the numbers that they go by.
"""
