"""What an operator can ask of references: `ztfpipe reference renew | compare | adopt | backfill`."""

from __future__ import annotations

import argparse
from typing import Any

from ztfpipe.cli.commands import add_command, add_nights


def add_reference_commands(actions: Any) -> None:
    """Add the commands to the actions of `reference`."""
    renew = add_command(
        actions, "renew", "list references to be made again, or freeze new inputs of those named", _renew
    )
    renew.add_argument("products", nargs="*", metavar="REFIMG", help="archive paths of references")
    compare = add_command(actions, "compare", "what would change with the newest version in force", _compare)
    compare.add_argument("product", metavar="REFIMG", help="archive path of a reference")
    adopt = add_command(actions, "adopt", "put a version in force: the newest, or another one", _adopt)
    adopt.add_argument("product", metavar="REFIMG", help="archive path of a reference")
    adopt.add_argument("--version", type=int, metavar="N", help="the version, in place of the newest")
    text = "science images that have a reference only since their night was planned: list them, or plan them"
    backfill = add_command(actions, "backfill", text, _backfill)
    add_nights(backfill)
    backfill.add_argument("--plan", action="store_true", help="add the references to the plans of their nights")


def _renew(call: argparse.Namespace) -> int:
    from ztfpipe.steps.reference import renewal

    return renewal.run_renew(call.config, call.workspace, call.products)


def _compare(call: argparse.Namespace) -> int:
    from ztfpipe.steps.reference import comparing

    return comparing.run_compare(call.config, call.workspace, call.product)


def _adopt(call: argparse.Namespace) -> int:
    from ztfpipe.steps.reference import renewal

    return renewal.run_adopt(call.config, call.workspace, call.product, call.version)


def _backfill(call: argparse.Namespace) -> int:
    from ztfpipe.steps.reference import backfilling

    return backfilling.run_backfill(call.config, call.workspace, call.first, call.last, call.plan)
