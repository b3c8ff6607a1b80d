"""Run by their interpreter: what the IAU's own readers and schema say of a report. FOLDER with its three files."""

import contextlib
import io
import json
import sys
from pathlib import Path

import ades
from ades import mpc80coltoxml, psvtoxml
from lxml import etree

SCHEMAS = Path(ades.__file__).parent / "data" / "xsd"


def complaints(path: Path, schema: str) -> list[str]:
    """What a schema has against a document."""
    checker = etree.XMLSchema(etree.parse(SCHEMAS / f"{schema}.xsd"))
    checker.validate(etree.parse(path))
    return [str(one) for one in checker.error_log]


def optical(path: Path) -> list[dict[str, str]]:
    return [{one.tag: one.text for one in node} for node in etree.parse(path).iter("optical")]


folder = Path(sys.argv[1])
said = {"xml": complaints(folder / "ades.xml", "submit"), "optical": optical(folder / "ades.xml")}
with contextlib.redirect_stdout(io.StringIO()) as words:
    psvtoxml.psvtoxml(folder / "ades.psv", folder / "from_psv.xml")
    mpc80coltoxml.mpc80coltoxml(folder / "mpc.txt", folder / "from_mpc.xml")
said |= {"psv": complaints(folder / "from_psv.xml", "submit"), "from_psv": optical(folder / "from_psv.xml")}
said |= {"from_mpc": optical(folder / "from_mpc.xml"), "words": words.getvalue()}
print(json.dumps(said))
