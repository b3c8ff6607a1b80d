"""The page on which a person accepts or rejects the night's tracks and streaks. It opens without a network."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.reports.decisions import ACCEPT, REJECT


@dataclass(frozen=True)
class Shown:
    """One object on the page: name, what is said of it, pictures (bytes of PNG and GIF; empty where there are none),
    and whether a decision is asked for."""

    name: str
    facts: tuple[tuple[str, str], ...]
    strip_png: bytes
    animation_gif: bytes
    asked: bool


_STYLE = """
body { font: 15px/1.45 sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
article { border-top: 1px solid #ddd; padding: .8rem 0; display: flex; gap: 1rem; flex-wrap: wrap; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; } h3 { margin: 0; font-family: monospace; }
dl { display: grid; grid-template-columns: max-content auto; gap: 0 .8rem; margin: .3rem 0; font-size: 13px; }
dt { color: #555; } dd { margin: 0; } img { image-rendering: pixelated; }
label { margin-right: 1rem; } button { font-size: 1rem; padding: .4rem 1rem; } p.note { color: #555; }
"""
_SCRIPT = """
function decided() {
  const found = {};
  for (const one of document.querySelectorAll("input:checked")) found[one.name] = one.value;
  return found;
}
function save() {
  const content = JSON.stringify({night: NIGHT, decisions: decided()}, null, 1) + "\\n";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], {type: "application/json"}));
  link.download = NAME;
  link.click();
}
"""


def write_page(
    path: str | Path, night: str, decisions_name: str, tracks: Sequence[Shown], streaks: Sequence[Shown], notes: str
) -> None:
    """Write the page.

    decisions_name: of the file that it saves, to be put beside the page; empty where nothing is asked. notes: a few
    sentences.
    """
    title = f"Moving objects of {night[:4]}-{night[4:6]}-{night[6:]}"
    script = f"const NIGHT = {json.dumps(night)}, NAME = {json.dumps(decisions_name)};{_SCRIPT}"
    ask = (
        f"Decide, save, and put {html.escape(decisions_name)} beside this page; the next run of the night reports what"
        " was accepted. What is not decided waits. "
    )
    button = '<p><button onclick="save()">Save decisions</button></p>\n'
    body = (
        f"<h1>{title}</h1>\n<p>{html.escape(notes)}</p>\n"
        f"<p class='note'>{ask if decisions_name else ''}Above: science image; below: difference.</p>\n"
        f"{button if decisions_name else ''}"
        f"<h2>New tracks</h2>\n{''.join(map(_article, tracks))}<h2>Streaks</h2>\n{''.join(map(_article, streaks))}"
    )
    write_text(
        path,
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<script>{script}</script></head>\n<body>{body}</body></html>\n",
    )


def _article(one: Shown) -> str:
    facts = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in one.facts)
    pictures = _image(one.animation_gif, "gif", f"{one.name} animated") + _image(one.strip_png, "png", one.name)
    choice = ""
    if one.asked:
        choice = "".join(
            f'<label><input type="radio" name="{html.escape(one.name)}" value="{value}"> {value}</label>'
            for value in (ACCEPT, REJECT)
        )
    return f"<article><div><h3>{html.escape(one.name)}</h3><dl>{facts}</dl>{choice}</div>{pictures}</article>\n"


def _image(content: bytes, kind: str, text: str) -> str:
    if not content:
        return ""
    data = base64.b64encode(content).decode()
    return f'<div><img alt="{html.escape(text)}" src="data:image/{kind};base64,{data}"></div>'
