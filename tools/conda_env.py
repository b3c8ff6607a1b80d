"""Write envs/ztfpipe.yaml, for clusters that use conda, from requirements.lock: `make lock` calls it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_HEADER = """\
# Generated from requirements.lock by tools/conda_env.py (make lock). Snakemake uses it with
# --software-deployment-method conda; everywhere else jobs run in the environment that runs Snakemake.
name: ztfpipe
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def conda_env(lock: str) -> str:
    """Text of the conda environment with the pins of the text of a lock file."""
    pins = re.findall(r"^([A-Za-z0-9._-]+==[^\s\\;]+)", lock, flags=re.MULTILINE)
    return _HEADER + "".join(f"      - {pin}\n" for pin in pins)


if __name__ == "__main__":
    (ROOT / "envs" / "ztfpipe.yaml").write_text(conda_env((ROOT / "requirements.lock").read_text()))
