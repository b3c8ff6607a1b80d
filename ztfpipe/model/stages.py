"""Accounts of a stage of the night: every unit that was planned is usable, unusable, or missing by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """planned = usable + unusable + number of `missing`, names of what has no record: it failed or was never tried."""

    name: str
    planned: int
    usable: int
    unusable: int
    missing: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every unit that was planned has its record."""
        return self.planned == self.usable + self.unusable and not self.missing
