"""Minimizing the loss from a start.

``gradient_descent`` is Algorithm 2 of the paper, on fresh parts of the rows. ``gauss_newton`` goes on
from there to the minimum by damped steps. The ``curvature`` of these is solved for by the weights, with
``preconditioner`` and ``conjugate_gradients``, or by the targets, where they are few: its ``dual``.
``smoothing`` follows units with a kink past their kinks, ``elimination`` adds units and takes the least
useful ones away, and ``single_precision`` halves the cost of steps that need no more digits.
"""
