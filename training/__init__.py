"""How the real-bogus classifiers are trained and judged: pairs with known truth, samples, fits, figures.

Beside the package, never imported by it: the pipeline reads no truth.
"""
