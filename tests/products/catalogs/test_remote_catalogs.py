"""Catalogs from the network, with a small TAP server on this machine: what is asked, kept, refused and said offline."""

import io
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from ztfpipe.errors import BadFile, TryAgain
from ztfpipe.model.skycatalogs import Cone, GaiaStars, Ps1Objects
from ztfpipe.products.catalogs import remote_catalogs
from ztfpipe.products.catalogs.remote_catalogs import SERVICES, RemoteCatalogs, ask_tap

CONE = Cone(150.0, 2.0, 0.66)


def votable(table: Table, status: str = "OK") -> bytes:
    stream = io.BytesIO()
    table.write(stream, format="votable")
    info = f'<INFO name="QUERY_STATUS" value="{status}"/>'.encode()
    return stream.getvalue().replace(b"<TABLE", info + b"<TABLE", 1)


def gaia_table(n=5):
    rng = np.random.default_rng(1)
    table = Table({"source_id": 2**61 + np.arange(n), "ra": rng.uniform(149, 151, n), "dec": rng.uniform(1, 3, n)})
    for name in ("ra_error", "dec_error", "pmdec", "phot_g_mean_mag", "ruwe"):
        table[name] = rng.uniform(1, 2, n)
    table["pmra"] = MaskedColumn(rng.normal(0, 5, n), mask=[True] + [False] * (n - 1))
    table["ref_epoch"] = 2016.0
    return table


class Tap(HTTPServer):
    """Answers every query with `body`; remembers the queries."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.body, self.status, self.queries = b"", 200, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/some-server/tap"


class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.queries.append((self.path, form["QUERY"][0]))
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/x-votable+xml")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        pass


@pytest.fixture
def tap():
    server = Tap()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def gaia_here(tap, monkeypatch):
    service = SERVICES["gaia"]
    here = remote_catalogs.Service(tap.url, service.columns, service.table)
    monkeypatch.setitem(SERVICES, "gaia", here)
    return tap


def test_a_catalog_is_asked_for_once(gaia_here, tmp_path):
    table = gaia_table()
    gaia_here.body = votable(table)
    first = RemoteCatalogs(tmp_path).gaia(CONE)
    second = RemoteCatalogs(tmp_path).gaia(CONE)
    assert len(gaia_here.queries) == 1
    path, query = gaia_here.queries[0]
    assert path == "/some-server/tap/sync"
    assert "FROM gaiadr3.gaia_source" in query
    assert "CIRCLE('ICRS', 150.000000, 2.000000, 0.660000)" in query
    for columns in (first, second):
        assert columns["source_id"].tolist() == table["source_id"].tolist()  # 19 digits, all of them
        np.testing.assert_array_equal(columns["ra"], table["ra"])
        assert np.isnan(columns["pmra"]).tolist() == [True, False, False, False, False]
    assert GaiaStars.of(first, 0.0).epoch_year == 2016.0
    RemoteCatalogs(tmp_path).gaia(Cone(150.0, 2.0, 0.67))
    assert len(gaia_here.queries) == 2


def test_an_empty_answer_is_an_answer(gaia_here, tmp_path):
    gaia_here.body = votable(gaia_table()[:0])
    for _ in range(2):
        assert len(RemoteCatalogs(tmp_path).gaia(CONE)["source_id"]) == 0
    assert len(gaia_here.queries) == 1


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (votable(gaia_table(), "OVERFLOW"), 200, "overflow"),
        (votable(gaia_table())[:900], 200, "not a VOTable"),
        (b"<html>We are moving</html>", 200, "not a VOTable"),
        (b"Column psScore not found", 400, "refused the query: .*psScore"),
    ],
)
def test_bad_answers_are_named_and_not_kept(gaia_here, tmp_path, body, status, reason):
    gaia_here.body, gaia_here.status = body, status
    with pytest.raises(BadFile, match=reason):
        RemoteCatalogs(tmp_path).gaia(CONE)
    assert not list(tmp_path.rglob("*.parquet"))
    gaia_here.body, gaia_here.status = votable(gaia_table()), 200
    assert len(RemoteCatalogs(tmp_path).gaia(CONE)["ra"]) == 5


def test_a_service_out_of_order_is_tried_again(gaia_here, tmp_path):
    gaia_here.body, gaia_here.status = b"Please come back later", 503
    with pytest.raises(TryAgain, match=r"out of order .*come back later"):
        RemoteCatalogs(tmp_path).gaia(CONE)


def test_an_answer_without_a_column_is_bad(gaia_here, tmp_path):
    table = gaia_table()
    table.remove_column("ruwe")
    gaia_here.body = votable(table)
    with pytest.raises(BadFile, match="no column ruwe"):
        RemoteCatalogs(tmp_path).gaia(CONE)


def test_offline_says_so_in_one_sentence(tap):
    url = tap.url.replace(str(tap.server_port), "1")  # nobody listens at port 1
    with pytest.raises(TryAgain) as caught:
        ask_tap(url, "SELECT 1")
    message = str(caught.value)
    assert message.startswith(f"{url}: the catalog service cannot be reached")
    assert "local copy" in message
    assert "\n" not in message


def test_a_silent_service_is_given_up(tap, monkeypatch):
    monkeypatch.setattr(remote_catalogs, "TIMEOUT_S", 0.2)
    release = threading.Event()
    monkeypatch.setattr(Answer, "do_POST", lambda self: release.wait(10))
    try:
        with pytest.raises(TryAgain, match="cannot be reached"):
            ask_tap(tap.url, "SELECT 1")
    finally:
        release.set()


def test_a_damaged_cache_is_named(gaia_here, tmp_path):
    gaia_here.body = votable(gaia_table())
    RemoteCatalogs(tmp_path).gaia(CONE)
    (kept,) = tmp_path.rglob("*.parquet")
    kept.write_bytes(kept.read_bytes()[:100])
    with pytest.raises(BadFile, match="remove it"):
        RemoteCatalogs(tmp_path).gaia(CONE)


def answers(tables):
    """A query function with the answer of each table; columns in capitals, as some services send them."""

    def query(url, adql):
        (name,) = [name for name in tables if f"FROM {SERVICES[name].table} " in adql and url == SERVICES[name].url]
        return {column.upper(): np.asarray(values) for column, values in tables[name].items()}

    return query


def test_scores_find_their_objects(tmp_path):
    objects = {"objid": [30, 10, 20], "ra": [1.0, 2.0, 3.0], "dec": [0.0, 0.0, 0.0], "n_detections": [9, 9, 9]}
    for band in "griz":
        objects |= {f"{band}_mag": [17.0] * 3, f"{band}_mag_error": [0.01] * 3, f"{band}_mag_std": [0.02] * 3}
    scores = {"objid": [10, 30, 99], "ra": [0.0] * 3, "dec": [0.0] * 3, "star_score": [0.1, 0.9, 0.5]}
    remote = RemoteCatalogs(tmp_path, answers({"ps1": objects, "ps1score": scores}))
    catalog = Ps1Objects.of(remote.ps1(CONE))
    assert catalog.objid.tolist() == [10, 20, 30]
    np.testing.assert_array_equal(catalog.star_score, [0.1, np.nan, 0.9])
    assert catalog.ra_deg.tolist() == [2.0, 3.0, 1.0]


def test_ps1_isn_t_asked_about_the_far_south(tmp_path):
    def nobody(url, adql):
        raise AssertionError("asked")

    assert len(RemoteCatalogs(tmp_path, nobody).ps1(Cone(10.0, -60.0, 0.7))["objid"]) == 0


def test_bright_stars_join_tycho_and_its_supplement(tmp_path):
    main = {
        "ra": [10.0, 11.0, np.nan],
        "dec": [1.0, 2.0, 3.0],
        "bt_mag": [10.0, np.nan, 9.0],
        "vt_mag": [9.0, 8.0, 9.0],
    }
    bright = {"ra": [12.0], "dec": [4.0], "bt_mag": [-1.4], "vt_mag": [-1.09]}
    table = RemoteCatalogs(tmp_path, answers({"tycho2": main, "tycho2bright": bright})).bright(CONE)
    assert table["ra"].tolist() == [10.0, 11.0, 12.0]
    np.testing.assert_allclose(table["v_mag"], [8.91, 8.0, -1.0621])


def test_queries_name_the_columns_we_need():
    """The address, table and columns of each service; what they answer can only be tried on the network."""
    assert "objid AS objid, RAJ2000 AS ra" in SERVICES["ps1score"].adql(CONE)
    assert 'POINT(\'ICRS\', "RA(ICRS)", "DE(ICRS)")' in SERVICES["tycho2"].adql(CONE)
    assert "CIRCLE('ICRS', 150.000000, 2.000000, 0.660000)) AND nDetections > 1" in SERVICES["ps1"].adql(CONE)
    assert all(service.url.startswith("https://") for service in SERVICES.values())
