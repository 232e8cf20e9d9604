"""How much to penalize, and what a fit promises on other rows.

``evidence`` finds the penalty of largest evidence along with the weights. ``criteria`` has the
estimates that it rests on: effective degrees of freedom, the variance of the noise, generalized
cross-validation, BIC. ``missing_units`` asks whether a residual is noise, or hides a unit, and
``lack_of_fit`` whether anything else that the rows tell explains it.
"""
