"""Errors build their own sentences."""

from __future__ import annotations

from ztfpipe.errors import BadFile, Unusable


def test_a_bad_file_names_the_extension():
    assert str(BadFile("a.fits", "shape is wrong", 3)) == "a.fits[3]: shape is wrong"
    assert str(BadFile("a.fits", "empty")) == "a.fits: empty"


def test_unusable_data_carry_their_numbers():
    error = Unusable("q1", "too few stars", stars=3, needed=20.5)
    assert str(error) == "q1: too few stars, stars=3, needed=20.5"
    assert error.numbers == {"stars": 3, "needed": 20.5}
