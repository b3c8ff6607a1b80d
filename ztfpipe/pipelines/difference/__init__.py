"""Difference images: a pair prepared, subtracted and judged; candidates and streaks extracted (3.6, figure 4)."""
