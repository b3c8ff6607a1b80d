"""Steps of the science pipeline."""
