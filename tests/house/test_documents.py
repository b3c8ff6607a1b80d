"""What is written about the project agrees with itself and with the code."""

import importlib.util
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def pages() -> list[Path]:
    """Every page of the project, not those of its environment."""
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def links(page: Path) -> list[str]:
    """Relative links and pictures of a page, without anchors."""
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    return [target.split("#")[0] for target in targets if "://" not in target and not target.startswith("#")]


def test_relative_links_resolve():
    linked = [(page, target) for page in pages() for target in links(page)]
    assert linked
    broken = [f"{page.relative_to(ROOT)}: {target}" for page, target in linked if not (page.parent / target).exists()]
    assert not broken


def test_every_page_is_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page.is_dir():
            waiting.extend(page.glob("*.md"))
        elif page.suffix == ".md" and page not in reached:
            reached.add(page)
            waiting.extend((page.parent / target).resolve() for target in links(page))
    unreached = set((ROOT / "docs").rglob("*.md")) - reached
    assert not unreached


def test_decisions_are_numbered_without_gaps_or_doubles():
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_every_decision_has_matter_decision_and_price():
    wanting = [
        f"{page.name}: {word}"
        for page in DECISIONS
        for word in ("Matter", "Decision", "Price")
        if f"**{word}.**" not in page.read_text()
    ]
    assert not wanting


def test_the_page_of_columns_is_made_from_the_contracts():
    """When this fails, `make docs` writes it again."""
    spec = importlib.util.spec_from_file_location("describe_columns", ROOT / "tools" / "describe_columns.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.page()


def test_the_picture_of_the_floors_shows_the_contract_and_the_modules(monkeypatch):
    """The picture keeps in its file what it was drawn from. When this fails, `make docs` draws it again."""
    spec = importlib.util.spec_from_file_location("draw_floors", ROOT / "tools" / "draw_floors.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "draw_floors", module)  # where dataclasses look for their own module
    spec.loader.exec_module(module)
    floors = module.read_floors()
    assert [[room.package for room in floor] for floor in floors][2] == ["pipelines", "products", "simulate"]
    assert module.drawn_from(module.PICTURE) == module.described(floors)
