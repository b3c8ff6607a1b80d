"""The night's report: one HTML file that opens without a network, and the same tables as text for a terminal."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from ztfpipe.model.summary import BETTER, WORSE, Cell, NightSummary, Table
from ztfpipe.products.formats.atomic import write_text

_STYLE = """
body { font: 15px/1.45 sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-size: 13px; } td, th { padding: .2rem .7rem; border-bottom: 1px solid #ddd; }
th { text-align: left; background: #f2f4f6; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.better { color: #1a7a2e; } td.worse { color: #b3261e; }
summary { margin: .5rem 0; color: #2b6cb0; cursor: pointer; }
figure { margin: 1rem 0 2rem; } img { max-width: 100%; height: auto; } figcaption, p.note { color: #555; }
"""


ROWS_MAX, ROWS_SHOWN = 60, 25
"""Rows of a table that is shown whole, and of a longer one: a night of the survey has 700 exposures."""


def write_report(
    path: str | Path, summary: NightSummary, pictures: Sequence[tuple[str, bytes]], title: str = ""
) -> None:
    """Write the report with its tables and `pictures` (caption and PNG bytes), atomically. title: not the night."""
    title = html.escape(title) or f"Night of {summary.night[:4]}-{summary.night[4:6]}-{summary.night[6:]}"
    figures = "".join(
        f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>\n"
        for caption, png in pictures
    )
    tables = "".join(_html_table(table) for table in summary.tables)
    pictures_title = "<h2>Pictures</h2>" if pictures else ""
    write_text(
        path,
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"</head>\n<body><h1>{title}</h1>\n<p>{html.escape(summary.headline)}.</p>\n{tables}{pictures_title}{figures}"
        "</body></html>\n",
    )


def text_tables(summary: NightSummary, rows_max: int = 40) -> str:
    """The tables for a terminal, each cut after `rows_max` rows."""
    parts = [summary.headline]
    for table in summary.tables:
        cells = [table.columns, *(tuple(map(cell_text, row)) for row in table.rows[:rows_max])]
        widths = [max(len(row[i]) for row in cells) for i in range(len(table.columns))]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        if len(table.rows) > rows_max:
            lines.append(f"... and {len(table.rows) - rows_max} more")
        parts.append("\n".join([table.title, *lines]))
    return "\n\n".join(parts) + "\n"


def cell_text(value: Cell) -> str:
    """A cell for people: four significant digits, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    return str(value)


def _html_table(table: Table) -> str:
    """A table; of a long one the first rows, and all of it behind a line to be opened, which needs no script."""
    note = f'<p class="note">{html.escape(table.text)}</p>\n' if table.text else ""
    shown = _rows(table, ROWS_SHOWN if len(table.rows) > ROWS_MAX else len(table.rows))
    rest = ""
    if len(table.rows) > ROWS_MAX:
        rest = f"<details><summary>all {len(table.rows)} rows</summary>\n{_rows(table, len(table.rows))}</details>\n"
    return f"<h2>{html.escape(table.title)}</h2>\n{note}{shown}{rest}"


def _rows(table: Table, count: int) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in table.columns)
    rows = "".join(f"<tr>{''.join(map(_html_cell, row))}</tr>\n" for row in table.rows[:count])
    return f"<table><tr>{head}</tr>\n{rows}</table>\n"


def _html_cell(value: Cell) -> str:
    kind = ' class="number"' if isinstance(value, int | float) else ""
    if value in (BETTER, WORSE):
        kind = f' class="{value}"'
    return f"<td{kind}>{html.escape(cell_text(value))}</td>"
