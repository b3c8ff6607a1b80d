"""A file that is not what it should be is named, with the reason; what is a bug stays one."""

import json

import pytest

from ztfpipe.errors import BadFile, BadKey, BadName
from ztfpipe.products.formats.text import reading


def version(path):
    with reading(path, "a version") as text:
        return int(json.loads(text)["version"])


def test_what_it_is(tmp_path):
    path = tmp_path / "v.json"
    path.write_text('{"version": 3}')
    assert version(path) == 3


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"version": null}', '{"version": "x"}', "7"])
def test_what_it_is_not(tmp_path, content):
    path = tmp_path / "v.json"
    path.write_text(content)
    with pytest.raises(BadFile, match=r"v\.json: not a version: "):
        version(path)


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "v.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadFile, match="not a version: "):
        version(path)


def test_no_such_file(tmp_path):
    with pytest.raises(BadFile, match=r"v\.json: no such file"):
        version(tmp_path / "v.json")


@pytest.mark.parametrize("error", [BadKey("ccd", 17, "1 to 16"), BadName("x", "no name")])
def test_a_key_or_name_within_it_that_cannot_be(tmp_path, error):
    (tmp_path / "v").write_text("")
    with pytest.raises(BadFile, match="not a version: "), reading(tmp_path / "v", "a version"):
        raise error


def test_anything_else_is_nobodys_to_catch(tmp_path):
    (tmp_path / "v").write_text("")
    with pytest.raises(ZeroDivisionError), reading(tmp_path / "v", "a version"):
        1 / 0  # noqa: B018
