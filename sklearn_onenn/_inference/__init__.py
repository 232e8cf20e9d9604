"""What may be said of a fit.

``covariance`` has standard errors of weights and predictions. ``residual_tests`` are scores of what a
fit leaves; ``checks`` and ``refits`` are the questions that a certificate asks, the second kind by
fitting again, and ``rules`` holds their limits. The certificate itself, which is public, stands beside
this folder.
"""
