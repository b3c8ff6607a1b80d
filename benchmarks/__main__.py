"""Run benchmarks or validations, all or those named, keep their results, and write the tables of the docs."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from benchmarks import report

HERE = Path(__file__).parent


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 when every bar was met, 1 when one was not, 2 for a name that does not exist."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="[validate] NAME", help="modules to run; all by default")
    names = parser.parse_args(argv).names
    kind = "validate" if names[:1] == ["validate"] else "bench"
    names = names[1:] if kind == "validate" else names
    known = sorted(path.stem.removeprefix(f"{kind}_") for path in HERE.glob(f"{kind}_*.py"))
    unknown = set(names) - set(known)
    if unknown:
        print(f"no {kind} of {', '.join(sorted(unknown))}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    met = True
    for name in names or known:
        print(f"{kind} {name} ...", file=sys.stderr, flush=True)
        rows = importlib.import_module(f"benchmarks.{kind}_{name}").rows()
        report.keep(kind, name, rows)
        met &= all(row["met"] is not False for row in rows)
    print(report.write_table(kind))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
