"""Draw docs/pictures/floors.png, the floors of the package, from the import contract and the modules that are there.

`make docs` calls it. The picture keeps what it was drawn from, so that a test can tell when it is out of date.
"""

from __future__ import annotations

import sys
import textwrap
import tomllib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from PIL.PngImagePlugin import PngInfo

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "pictures" / "floors.png"
SAID = {
    "cli": "parses the call, runs one step, sets the exit code",
    "steps": "read files, call one recipe, write files, record: one per rule",
    "pipelines": "recipes: one call per box of the paper's figures",
    "products": "files to objects and back; all names and all formats",
    "simulate": "synthetic sky and camera; shares no arithmetic with methods",
    "methods": "verbs: arrays in, arrays out",
    "model": "nouns: keys, plan, records, columns, frozen dataclasses",
    "config": "one validated model of config.yaml",
    "camera": "the instrument is data: camera/*.yaml",
    "errors": "a small family; each carries its numbers",
}
WORKSPACE = ("incoming", "archive", "settings", "calibrators", "ledger", "database", "campaigns", "logs", "truth")
INK, PALE, WALL = "#1d2b3a", "#8795a3", "#3d5a73"
COLOURS = ("#dfe7ee", "#d3dfe9", "#f6e7cb", "#e2ecd5", "#eee3ee", "#e6e6e6", "#e6e6e6", "#e6e6e6")
WIDTH, SNAKEMAKE, LEFT, SIMULATE, GAP = 13.4, 2.55, 3.2, 10.85, 0.28
PRODUCTS = 3.15
WIDE = {
    "products": PRODUCTS,
    "pipelines": SIMULATE - GAP - LEFT - PRODUCTS - 0.2,
    "simulate": WIDTH - 0.2 - SIMULATE,
    "methods": SIMULATE - GAP - LEFT,
}
"""Widths of floors that do not go all the way across."""


@dataclass(frozen=True)
class Room:
    """A package of a floor, or a folder inside one: its modules without kernels, and its lines of code."""

    package: str
    modules: tuple[str, ...]
    lines: int
    rooms: tuple[Room, ...] = ()


def read_floors(root: Path = ROOT) -> list[tuple[Room, ...]]:
    """Floors from the top down, as the import contract of pyproject.toml lists them."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [tuple(_room(root / "ztfpipe" / name.strip()) for name in layer.split("|")) for layer in layers]


def _room(path: Path) -> Room:
    if not path.is_dir():
        return Room(path.name, (), _lines(path.with_suffix(".py")))
    files = sorted(path.glob("*.py"))
    modules = tuple(file.stem for file in files if not file.stem.startswith("__") and not file.stem.endswith("_nb"))
    rooms = tuple(_room(folder) for folder in sorted(path.iterdir()) if (folder / "__init__.py").exists())
    return Room(path.name, modules, sum(map(_lines, files)) + sum(room.lines for room in rooms), rooms)


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def described(floors: list[tuple[Room, ...]]) -> str:
    """What the picture shows, but for counts of lines: floors, rooms and modules."""

    def words(room: Room) -> str:
        inside = " ".join([*room.modules, *map(words, room.rooms)])
        return f"{room.package}({inside})"

    return " / ".join(" | ".join(map(words, floor)) for floor in floors)


def drawn_from(picture: Path) -> str:
    """The description kept in the picture's file."""
    with Image.open(picture) as image:
        return image.info["Description"]


def draw(floors: list[tuple[Room, ...]], picture: Path) -> None:
    """Draw the floors into a PNG file: the same bytes for the same code and libraries."""
    # The simulator stands beside two floors.
    heights = [max(_height(room) for room in floor if room.package != "simulate") for floor in floors]
    figure = Figure(figsize=(WIDTH, sum(heights) + GAP * len(heights) + 1.9), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(0, figure.get_figheight()))
    axes.set_axis_off()
    top = figure.get_figheight() - 0.25
    tops = {}
    right = WIDTH - 0.2
    for floor, height, colour in zip(floors, heights, COLOURS, strict=True):
        for room in floor:
            tops[room.package] = (top, height)
        if len(floor) == 1:
            end = SIMULATE - GAP if floor[0].package == "methods" else right
            _box(axes, LEFT, top, end - LEFT, height, floor[0], colour)
        if floor is not floors[-1]:
            _down(axes, 8.6, top - height)
        top -= height + GAP
    _middle(axes, {room.package: room for floor in floors for room in floor}, tops)
    _snakemake(axes, tops)
    _workspace(axes, top - 0.12, tops)
    picture.parent.mkdir(exist_ok=True)
    drawn = BytesIO()
    figure.savefig(drawn, dpi=110, metadata={"Software": None})
    said = PngInfo()
    said.add_text("Description", described(floors))
    # A few colours are enough, and make the file a third as large.
    Image.open(drawn).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(picture, pnginfo=said, optimize=True)


def _box(axes: Axes, x: float, top: float, width: float, height: float, room: Room, colour: str) -> None:
    """A room with its name, what it is for, its lines, and what lives in it."""
    axes.add_patch(_rectangle(x, top, width, height, colour))
    axes.text(x + 0.15, top - 0.3, room.package, weight="bold", size=15, va="center", color=INK)
    size = f"{round(room.lines, -2):,}".replace(",", " ") if room.lines >= 150 else str(room.lines)
    axes.text(x + width - 0.15, top - 0.3, f"{size} lines", size=10, va="center", ha="right", color=PALE)
    said = SAID[room.package]
    if width > 6:
        axes.text(x + 1.45, top - 0.3, said, size=12, va="center", color=INK, style="italic")
        below = top - 0.57
    else:
        below = _paragraph(axes, x + 0.15, top - 0.55, width - 0.3, said, 11.5, style="italic") - 0.08
    if room.rooms and room.package != "steps":
        if room.modules:
            below = _paragraph(axes, x + 0.15, below, width - 0.3, _spelt(room.modules), 10.5) - 0.05
        _rooms(axes, x + 0.15, below, width - 0.3, room.rooms)
    else:
        names = (*room.modules, *(inner.package for inner in room.rooms))
        _paragraph(axes, x + 0.15, below, width - 0.3, _spelt(names), 10.5)


def _height(room: Room) -> float:
    """How tall a floor must be for what lives in it; `_box` lays it out."""
    width = WIDE.get(room.package, WIDTH - 0.2 - LEFT)
    high = 0.57 if width > 6 else 0.63 + _tall(SAID[room.package], width - 0.3, 11.5)
    if room.rooms and room.package != "steps":
        high += _tall(_spelt(room.modules), width - 0.3, 10.5) + 0.05 if room.modules else 0.0
        beside = 1.35 if width > 6 else 0.0
        return high + sum(_room_height(one, width - 0.3, beside) + 0.06 for one in room.rooms) + 0.1
    return high + _tall(_spelt((*room.modules, *(inner.package for inner in room.rooms))), width - 0.3, 10.5) + 0.05


def _room_height(room: Room, width: float, beside: float) -> float:
    lines = len(_wrapped(_spelt(room.modules) if room.lines else "to come", width - 0.16 - beside, 10))
    return 0.1 + 10 * 1.42 / 72 * (lines if beside else lines + 1.1)


def _rooms(axes: Axes, x: float, top: float, width: float, rooms: tuple[Room, ...]) -> None:
    """Rooms of a floor below one another, each with its modules; one that waits for its first module is dashed."""
    beside = 1.35 if width > 6 else 0.0
    for room in rooms:
        said = _spelt(room.modules) if room.lines else "to come"
        high = _room_height(room, width, beside)
        axes.add_patch(_rectangle(x, top, width, high, "white" if room.lines else "none", dashed=not room.lines))
        below = _paragraph(axes, x + 0.08, top - 0.05, width - 0.16, room.package, 11, weight="bold")
        _paragraph(axes, x + 0.08 + beside, top - 0.06 if beside else below, width - 0.16 - beside, said, 10)
        top -= high + 0.06


def _middle(axes: Axes, rooms: dict[str, Room], tops: dict[str, tuple[float, float]]) -> None:
    """Products, recipes and simulator: no doors between them, and the simulator stands beside the methods."""
    top, height = tops["pipelines"]
    methods_top, methods_height = tops["methods"]
    _box(axes, LEFT, top, PRODUCTS, height, rooms["products"], "#fbf1de")
    x = LEFT + PRODUCTS + 0.2
    _box(axes, x, top, SIMULATE - GAP - x, height, rooms["pipelines"], "#f6e7cb")
    bottom = methods_top - methods_height
    _box(axes, SIMULATE, top, WIDTH - 0.2 - SIMULATE, top - bottom, rooms["simulate"], "#f9ddd2")
    for wall, end in ((x - 0.1, top - height), (SIMULATE - GAP / 2, bottom)):
        axes.plot([wall, wall], [top + 0.05, end - 0.05], color=WALL, lw=4, solid_capstyle="butt")
    _down(axes, LEFT + 0.5 * PRODUCTS, top - height)
    _down(axes, LEFT + 0.5 * PRODUCTS, top + GAP)
    _down(axes, 0.5 * (SIMULATE + WIDTH - 0.2), bottom)
    _down(axes, 0.5 * (SIMULATE + WIDTH - 0.2), top + GAP)


def _snakemake(axes: Axes, tops: dict[str, tuple[float, float]]) -> None:
    """The workflow beside the package: it calls the command, and imports only what draws the graph."""
    top = tops["cli"][0]
    bottom = tops["model"][0] - tops["model"][1]
    axes.add_patch(_rectangle(0.2, top, SNAKEMAKE - 0.2, top - bottom, "#dcecea"))
    axes.text(0.35, top - 0.3, "Snakemake", weight="bold", size=15, va="center", color=INK)
    rules = sorted(path.name for path in (ROOT / "rules").glob("*.smk"))
    text = (
        "a night's work as a graph of files: one rule per kind of product",
        "Snakefile",
        *(f"rules/{name}" for name in rules if name != "common.smk"),
        "rules/common/, the only Python here, reads config.yaml and the night's plan through config, model and "
        "products",
        f"profiles/: {', '.join(sorted(one.name for one in (ROOT / 'profiles').iterdir()))}",
    )
    below = top - 0.6
    for number, paragraph in enumerate(text):
        style = "italic" if number == 0 else "normal"
        below = _paragraph(axes, 0.35, below, SNAKEMAKE - 0.55, paragraph, 11, style=style) - 0.1
    y = top - 0.5 * tops["cli"][1]
    _arrow(axes, (SNAKEMAKE, y), (LEFT, y))


def _workspace(axes: Axes, top: float, tops: dict[str, tuple[float, float]]) -> None:
    """The files below everything; only products opens them, Snakemake compares them."""
    axes.add_patch(_rectangle(0.2, top, WIDTH - 0.4, 1.2, "#fffdf2"))
    axes.text(0.35, top - 0.3, "workspace", weight="bold", size=15, va="center", color=INK)
    said = "files, the only memory: opened by products alone, made and compared by Snakemake as targets"
    axes.text(2.0, top - 0.3, said, size=12, va="center", color=INK, style="italic")
    wide = (WIDTH - 0.7) / len(WORKSPACE)
    for number, folder in enumerate(WORKSPACE):
        axes.add_patch(_rectangle(0.35 + number * wide, top - 0.57, wide - 0.12, 0.48, "white"))
        axes.text(0.35 + (number + 0.47) * wide, top - 0.81, f"{folder}/", size=11, ha="center", va="center", color=INK)
    gutter = 0.5 * (SNAKEMAKE + LEFT)
    start = tops["pipelines"][0] - 0.5 * tops["pipelines"][1]
    axes.plot([LEFT, gutter, gutter], [start, start, top + 0.2], color=WALL, lw=2.2)
    _arrow(axes, (gutter, top + 0.3), (gutter, top))
    _arrow(axes, (1.4, tops["model"][0] - tops["model"][1]), (1.4, top))


def _rectangle(x: float, top: float, width: float, height: float, colour: str, dashed: bool = False) -> Rectangle:
    style = "--" if dashed else "-"
    return Rectangle((x, top - height), width, height, facecolor=colour, edgecolor=WALL, lw=1.1, ls=style)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    line = {"arrowstyle": "-|>", "color": WALL, "lw": 2.2, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 18}
    axes.annotate("", xy=end, xytext=start, arrowprops=line)


def _down(axes: Axes, x: float, y: float) -> None:
    """An arrow across the gap below `y`: imports go down."""
    _arrow(axes, (x, y), (x, y - GAP))


def _spelt(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _wrapped(text: str, width: float, size: float) -> list[str]:
    """Lines of `text` that fit into `width` inches."""
    return textwrap.wrap(text, max(8, int(width * 72 / (0.535 * size))), break_long_words=False)


def _tall(text: str, width: float, size: float) -> float:
    """Height of a paragraph in inches."""
    return len(_wrapped(text, width, size)) * size * 1.42 / 72


def _paragraph(axes: Axes, x: float, top: float, width: float, text: str, size: float, **style: str) -> float:
    """Text wrapped to `width` inches; returns where the next line would begin."""
    lines = _wrapped(text, width, size)
    axes.text(x, top, "\n".join(lines), size=size, va="top", color=INK, linespacing=1.25, **style)
    return top - _tall(text, width, size)


if __name__ == "__main__":
    draw(read_floors(), PICTURE)
    sys.stdout.write(f"{PICTURE.relative_to(ROOT)}\n")
