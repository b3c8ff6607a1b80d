"""Every command that a page tells people to type is one that the programs understand.

A line of a block is taken whole, as a shell would take it: its words must be parsed. A command within a sentence may be
a part of one (`ztfpipe lightcurve query`, `ztfpipe reference renew | compare`): its words and options must exist.
"""

import argparse
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
from snakemake.cli import get_argument_parser

from ztfpipe.cli.main import command_parser, parsed
from ztfpipe.config import Config
from ztfpipe.errors import BadName
from ztfpipe.products import names

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = ("ztfpipe", "snakemake")
BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
STARTS = re.compile(r"(srun .*|\S*/|)(ztfpipe|snakemake) (?!PIPELINE)")
SPAN = re.compile(r"`([^`]+)`")
ZTFPIPE = command_parser()
SNAKEMAKE = get_argument_parser()
NUMBERS = {"RA": "185.5", "DEC": "4.8", "N": "1"}


def commands_of(line: str) -> list[list[str]]:
    """The calls of our programs in a line of a shell, as words; `ztfpipe worker -- snakemake night` has two."""
    words = [NUMBERS.get(word, word) for word in shlex.split(line.partition(" # ")[0]) if word != "..."]
    words = [word.strip("[]") for word in words]
    starts = [k for k, word in enumerate(words) if Path(word).name in PROGRAMS]
    ends = [words.index(">", k) if ">" in words[k:] else len(words) for k in starts]
    return [[Path(words[k]).name, *words[k + 1 : end]] for k, end in zip(starts, ends, strict=True)]


def lines_of_blocks(page: Path) -> list[str]:
    """Lines of the blocks of a page that begin with a program, continued ones joined."""
    found = []
    for block in BLOCK.findall(page.read_text()):
        lines = block.replace("\\\n", " ").splitlines()
        found += [line for line in lines if STARTS.match(line)]
    return found


def spans_of(page: Path) -> list[str]:
    """Commands within the sentences of a page."""
    text = BLOCK.sub("", page.read_text())
    spans = [span.replace("\n", " ") for span in SPAN.findall(text)]
    return [span for span in spans if STARTS.match(span)]


@cache
def rules() -> set[str]:
    """Names of all rules."""
    texts = [(ROOT / "Snakefile").read_text(), *(path.read_text() for path in (ROOT / "rules").glob("*.smk"))]
    return {name for text in texts for name in re.findall(r"^(?:rule|checkpoint) (\w+):", text, re.MULTILINE)}


def narrowing() -> set[str]:
    """What `--config` takes beside the keys of config.yaml."""
    (listed,) = re.findall(r"^NARROWING = \((.*)\)$", (ROOT / "rules/common/settings.smk").read_text(), re.MULTILINE)
    return set(re.findall(r'"(\w+)"', listed))


def refuse_snakemake(words: list[str]) -> str | None:
    """Why Snakemake, or our workflow, would not take these words; None when it would."""
    try:
        call = SNAKEMAKE.parse_args(words)
    except SystemExit:
        return "cannot be parsed"
    if missing := [one for one in call.profile or () if not (ROOT / one / "config.yaml").exists()]:
        return f"there is no profile {missing[0]}"
    if strange := {one.partition("=")[0] for one in call.config or ()} - set(Config.model_fields) - narrowing():
        return f"--config has no {', '.join(strange)}"
    for target in call.targets or ():
        try:
            if target not in rules() and not target.isupper():
                names.parse(target)
        except BadName as error:
            return str(error)
    return None


def refuse_ztfpipe(words: list[str]) -> str | None:
    """Why `ztfpipe` would not take these words; None when it would."""
    try:
        parsed(words)
    except SystemExit:
        return "cannot be parsed"
    return None


def actions_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of the words that can follow, by word; none where no word need follow."""
    found = [one.choices for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    return found[0] if found else {}


def refuse_part(words: list[str]) -> str | None:
    """Why a part of a call of `ztfpipe` cannot be one: a word or option that there is not. None when it can."""
    parser = above = ZTFPIPE
    for word in words:
        if word == "--":  # what follows is another program's
            return None
        if word == "|":
            parser = above
        elif word.startswith("--"):
            if word not in parser._option_string_actions:
                return f"{parser.prog} has no {word}"
        elif actions := actions_of(parser):
            if word not in actions:
                return f"{parser.prog} has no {word}"
            above, parser = parser, actions[word]
    return None


def refusals(page: Path) -> list[str]:
    """The commands of a page that would be refused, and why."""
    found = []
    for line in lines_of_blocks(page):
        for program, *words in commands_of(line):
            why = refuse_snakemake(words) if program == "snakemake" else refuse_ztfpipe(words)
            if why:
                found.append(f"{page.name}: {line.strip()}: {why}")
    for span in spans_of(page):
        for program, *words in commands_of(span):
            why = refuse_snakemake(words) if program == "snakemake" else refuse_part(words)
            if why:
                found.append(f"{page.name}: {span}: {why}")
    return found


def test_every_command_of_the_pages_is_understood():
    assert not [one for page in PAGES for one in refusals(page)]


def test_there_are_such_commands():
    assert sum(len(lines_of_blocks(page)) for page in PAGES) > 50
    assert sum(len(spans_of(page)) for page in PAGES) > 50


@pytest.mark.parametrize(
    "text",
    [
        "```\nztfpipe database query --nosuch\n```",
        "```\nztfpipe nosuch\n```",
        "```\nztfpipe worker -- snakemake nosuch --config night=20180325\n```",
        "```\nsnakemake --profile profiles/nosuch night\n```",
        "```\nsnakemake --config nosuch=1 -- night\n```",
        "```\nsnakemake -- sci/2018/0325/nosuch.fits\n```",
        "say `ztfpipe reference renew | nosuch`",
        "say `ztfpipe lightcurve show --nosuch`",
        "say `snakemake --nosuch`",
    ],
)
def test_a_command_that_is_not_understood_is_found(text, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text)
    assert len(refusals(page)) == 1
