"""How much to penalize, and what to believe.

``evidence`` finds the penalty of largest evidence along with the weights. ``criteria`` says what a fit
promises on other rows: the weights that the rows determine, generalized cross-validation, BIC.
``residual_noise`` asks whether a residual is noise, or hides a unit.
"""
