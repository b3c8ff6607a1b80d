"""Recipes of `operations`: what a campaign takes and changes, what may be removed, what disks need."""
