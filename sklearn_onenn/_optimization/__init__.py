"""Minimizing the loss from a start.

``gradient_descent`` is Algorithm 2 of the paper, on fresh parts of the rows. ``gauss_newton`` goes on
from there to the minimum: damped steps, whose matrix, the ``curvature``, is that of the weights, solved by
``conjugate_gradients`` with a ``preconditioner``, or its ``dual``, that of the targets, if these are few.
``smoothing`` follows units with a kink past their kinks, ``elimination`` adds units and takes the least
useful ones away, and ``single_precision`` halves the cost of steps that need no more digits.
"""
