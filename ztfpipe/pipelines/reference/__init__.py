"""References: the choice of inputs, the co-add with its catalogs, its quality, and when to make one again (3.7)."""
