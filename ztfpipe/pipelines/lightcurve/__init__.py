"""Recipes of the lightcurve pipeline: what an epoch adds to a matchfile, and what all epochs together tell."""
