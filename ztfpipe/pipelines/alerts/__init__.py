"""Alerts: histories of places and the packets of a quadrant."""
