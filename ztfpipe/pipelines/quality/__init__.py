"""Recipes of `quality`: the night's tables and pictures, and its accounts."""
