"""Names: every product's path written and read back, the archive's own examples, and what must never pass."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztfpipe.errors import BadKey, BadName
from ztfpipe.model.keys import (
    CalibrationKey,
    CutoffKey,
    DataReleaseKey,
    ExposureKey,
    FieldQuadrantKey,
    IncomingKey,
    NightKey,
    ProgramKey,
    QuadrantKey,
    RawKey,
    ReferenceKey,
    ReferenceVersionKey,
    ReleaseKey,
)
from ztfpipe.products import names

nights = st.integers(0, 4 * 365).map(lambda days: (date(2017, 10, 1) + timedelta(days=days)).strftime("%Y%m%d"))
fracdays = st.integers(0, 999999).map("{:06d}".format)
ccdids, qids = st.integers(1, 16), st.integers(1, 4)
sky_filters = st.sampled_from(["zg", "zr", "zi"])
plain = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,60}", fullmatch=True)


@st.composite
def exposures(draw):
    imgtype = draw(st.sampled_from("ofbd"))
    filter_code = "bi" if imgtype in "bd" else draw(sky_filters)
    return ExposureKey(draw(nights) + draw(fracdays), draw(st.integers(0, 999999)), filter_code, imgtype)


fields = st.integers(1, 9999)
references = st.builds(ReferenceKey, fields, sky_filters, ccdids, qids)
KEYS = {
    NightKey: st.builds(NightKey, nights),
    CutoffKey: st.builds(
        CutoffKey,
        nights,
        st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda one: "{:02d}{:02d}".format(*one)),
    ),
    IncomingKey: st.builds(IncomingKey, nights, plain),
    ExposureKey: exposures(),
    RawKey: st.builds(RawKey, exposures(), ccdids),
    QuadrantKey: st.builds(QuadrantKey, exposures(), ccdids, qids),
    ReferenceKey: references,
    ReferenceVersionKey: st.builds(ReferenceVersionKey, references, st.integers(1, 999)),
    FieldQuadrantKey: st.builds(FieldQuadrantKey, fields, ccdids, qids),
    ReleaseKey: st.builds(ReleaseKey, st.integers(1, 99), references),
    DataReleaseKey: st.builds(DataReleaseKey, st.integers(1, 99)),
    ProgramKey: st.builds(ProgramKey, nights, st.integers(0, 3)),
}


def keys_of(product):
    """Keys that a product can have: a bias has filter 00, a flat a sky filter."""
    if product.key_type is CalibrationKey:
        filters = st.just("00") if "/bias/" in product.pattern else sky_filters
        return st.builds(CalibrationKey, nights, filters, ccdids, qids)
    return KEYS[product.key_type]


@pytest.mark.parametrize("name", sorted(names.PRODUCTS))
@given(data=st.data())
def test_round_trip(name, data):
    key = data.draw(keys_of(names.PRODUCTS[name]))
    path = names.path_of(name, key)
    assert names.parse(path) == (name, key)


@given(data=st.data())
def test_no_two_products_share_a_path(data):
    """A path reads as one product only, so that no rule is ambiguous."""
    product = data.draw(st.sampled_from(list(names.PRODUCTS.values())))
    path = names.path_of(product.name, data.draw(keys_of(product)))
    matching = [other.name for other in names.PRODUCTS.values() if re.fullmatch(other.regex, path)]
    assert matching == [product.name]


@given(data=st.data())
def test_clients_count_tokens(data):
    """The archive's readers split names at `_`: 6 tokens are raw or calibration files, 8 or more are sci files."""
    product = data.draw(st.sampled_from([names.PRODUCTS[name] for name in ("raw", "bias", "hifreqflat", "sciimg")]))
    tokens = names.path_of(product.name, data.draw(keys_of(product))).rsplit("/", 1)[1].split("_")
    assert len(tokens) == (8 if product.name == "sciimg" else 6)


@pytest.mark.parametrize(
    ("product", "key", "path"),
    [
        (
            "raw",
            RawKey(ExposureKey("20180325260762", 314, "zg", "o"), 8),
            "raw/2018/0325/260762/ztf_20180325260762_000314_zg_c08_o.fits.fz",
        ),
        (
            "raw",
            RawKey(ExposureKey("20180325100000", 0, "bi", "b"), 16),
            "raw/2018/0325/100000/ztf_20180325100000_000000_bi_c16_b.fits.fz",
        ),
        (
            "sciimg",
            QuadrantKey(ExposureKey("20190709485764", 600, "zg", "o"), 4, 4),
            "sci/2019/0709/485764/ztf_20190709485764_000600_zg_c04_o_q4_sciimg.fits",
        ),
        (
            "hifreqflat",
            CalibrationKey("20180325", "zr", 10, 1),
            "cal/2018/0325/hifreqflat/zr/ccd10/q1/ztf_20180325_zr_c10_q1_hifreqflat.fits",
        ),
        (
            "biasunc",
            CalibrationKey("20180325", "00", 10, 1),
            "cal/2018/0325/bias/00/ccd10/q1/ztf_20180325_00_c10_q1_biasunc.fits",
        ),
        (
            "refpsfcat",
            ReferenceKey(633, "zr", 7, 4),
            "ref/000/field000633/zr/ccd07/q4/ztf_000633_zr_c07_q4_refpsfcat.fits",
        ),
        (
            "refimg",
            ReferenceKey(1789, "zr", 7, 4),
            "ref/001/field001789/zr/ccd07/q4/ztf_001789_zr_c07_q4_refimg.fits",
        ),
        (
            "vrefimg",
            ReferenceVersionKey(ReferenceKey(633, "zr", 7, 4), 2),
            "ref/000/field000633/zr/ccd07/q4/v002/ztf_000633_zr_c07_q4_refimg.fits",
        ),
        (
            "matchfile",
            ReferenceKey(283, "zr", 5, 3),
            "ops/srcmatch/rc18/fr000251-000300/ztf_000283_zr_c05_q3_match.pytable",
        ),
        (
            "lightcurve",
            ReleaseKey(5, ReferenceKey(250, "zg", 1, 1)),
            "lc_dr5/0/field0250/ztf_000250_zg_c01_q1_dr5.parquet",
        ),
        ("nightalerts", ProgramKey("20180601", 1), "ops/alerts/2018/0601/ztf_public_20180601.tar.gz"),
    ],
)
def test_paths_of_the_public_archive(product, key, path):
    assert names.path_of(product, key) == path
    assert names.parse(path) == (product, key)


@pytest.mark.parametrize(
    "path",
    [
        "x",
        "/raw/2018/0325/260762/ztf_20180325260762_000314_zg_c08_o.fits.fz",
        "raw/2018/0325/../0325/260762/ztf_20180325260762_000314_zg_c08_o.fits.fz",
        "./raw/2018/0325/260762/ztf_20180325260762_000314_zg_c08_o.fits.fz",
        "raw/2018/0325/260762/ztf_20180326260762_000314_zg_c08_o.fits.fz",  # folder and name of different nights
        "raw/2018/0231/260762/ztf_20180231260762_000314_zg_c08_o.fits.fz",  # no such day
        "raw/2018/0325/260762/ztf_20180325260762_000314_zg_c17_o.fits.fz",
        "raw/2018/0325/260762/ztf_20180325260762_000314_zu_c08_o.fits.fz",
        "raw/2018/0325/260762/ztf_20180325260762_000314_zg_c08_b.fits.fz",  # a bias has no sky filter
        "raw/2018/0325/260762/ztf_20180325260762_000314_zg_c08_o.fits.fz\n",
        "raw/2018/0325/260762/ztf_20180325260762_000314_zg_c08_o.fits.fz;touch PWNED",
        "cal/2018/0325/bias/zg/ccd10/q1/ztf_20180325_zg_c10_q1_bias.fits",  # a bias has no sky filter
        "cal/2018/0325/hifreqflat/00/ccd10/q1/ztf_20180325_00_c10_q1_hifreqflat.fits",
        "ref/002/field001789/zr/ccd07/q4/ztf_001789_zr_c07_q4_refimg.fits",  # folder of other fields
        "ref/000/field000000/zr/ccd07/q4/ztf_000000_zr_c07_q4_refimg.fits",
        "ops/srcmatch/rc19/fr000251-000300/ztf_000283_zr_c05_q3_match.pytable",  # readout channel of another quadrant
        "ops/ingest/2018/0325/$(touch PWNED).json",
        "ops/ingest/2018/0325/.hidden.json",
        "ops/ingest/2018/0325/-rf.json",
        "lc_dr0/0/field0250/ztf_000250_zg_c01_q1_dr0.parquet",
    ],
)
def test_what_is_no_product(path):
    with pytest.raises(BadName, match=re.escape(path.rstrip("\n")[:40])):
        names.parse(path)


@given(st.text(max_size=80))
def test_any_text_is_a_product_or_a_bad_name(text):
    try:
        name, key = names.parse(text)
    except BadName:
        return
    assert names.path_of(name, key) == text


@given(st.text(max_size=60))
def test_any_text_is_a_raw_name_or_a_bad_name(text):
    try:
        key = names.parse_raw_name(text)
    except BadName:
        return
    assert names.path_of("raw", key).rsplit("/", 1)[1].startswith(text.removesuffix(".fz"))


@given(key=KEYS[RawKey])
def test_raw_names_round_trip(key):
    name = names.path_of("raw", key).rsplit("/", 1)[1]
    assert names.parse_raw_name(name) == key
    assert names.parse_raw_name(name.removesuffix(".fz")) == key


def test_wrong_key_or_product():
    with pytest.raises(BadKey, match="one of adespsv"):
        names.path_of("sciimage", NightKey("20180325"))
    with pytest.raises(BadKey, match="a RawKey, as raw needs"):
        names.path_of("raw", NightKey("20180325"))
    with pytest.raises(BadKey, match="00, as bias needs"):
        names.path_of("bias", CalibrationKey("20180325", "zg", 1, 1))


def test_links_do_not_lead_out_of_the_archive(tmp_path):
    root = tmp_path / "archive"
    root.mkdir()
    (root / "raw").symlink_to(tmp_path)
    assert names.inside(root, "sci/a") == root / "sci/a"
    for path in ("raw/a", "../a", "sci/../../a", "/etc/passwd"):
        with pytest.raises(BadName, match="leads out of the archive"):
            names.inside(root, path)
