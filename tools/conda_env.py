"""Write the environments of envs/, for clusters that use conda, from the lock files: `make lock` calls it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_HEADER = """\
# Generated from {lock} by tools/conda_env.py (make lock). Snakemake uses it with
# --software-deployment-method conda; everywhere else jobs run in the environment that runs Snakemake.
name: {name}
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip
  - pip:
"""


ENVIRONMENTS = {"ztfpipe": "requirements.lock", "training": "training/requirements.lock"}
"""Environments by name, and what they are pinned by."""


def conda_env(name: str) -> str:
    """Text of the conda environment with the pins of its lock file."""
    lock = (ROOT / ENVIRONMENTS[name]).read_text()
    pins = re.findall(r"^([A-Za-z0-9._-]+==[^\s\\;]+)", lock, flags=re.MULTILINE)
    return _HEADER.format(name=name, lock=ENVIRONMENTS[name]) + "".join(f"      - {pin}\n" for pin in pins)


if __name__ == "__main__":
    for name in ENVIRONMENTS:
        (ROOT / "envs" / f"{name}.yaml").write_text(conda_env(name))
