"""The model: y = V^T phi(W^T x + b) + c, and its squared loss.

``network`` has the weights and what one block of rows makes of them, forwards and backwards. ``loss``
adds that over all rows: value, gradient and Gauss-Newton products. ``jacobian`` writes the derivatives
of a block out as a matrix, ``output_layer`` fits the output weights of given units by least squares,
``line`` has a straight line as units,
and ``symmetries`` picks one of the many networks that are the same function.
"""
