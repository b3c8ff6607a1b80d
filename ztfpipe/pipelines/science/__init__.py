"""Instrumental calibration, phase one of the real-time pipeline (system paper 3.5, figure 3)."""
