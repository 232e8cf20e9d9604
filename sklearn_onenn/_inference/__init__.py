"""What may be said of a fit.

``covariance`` has that of the weights, ``values`` how sure the network's values are, on new rows and on
rows that are left out, ``student_t`` the t distribution of errors, ``noise`` whether their scale depends
on the row, and ``predictive`` the distribution of a new target that these make. ``residual_tests`` are
scores of what a fit leaves; ``checks`` and ``refits`` are the questions that a certificate asks, the
second kind mostly by fitting again, and ``rules`` has their limits. The certificate itself, which is
public, stands beside this folder.
"""
