"""Catalogs from the network: asked once through astroquery, kept on disk, never asked again.

All are asked in ADQL at TAP services: Gaia DR3 at ESA, PS1 DR2 mean objects at MAST, the star/galaxy scores of PS1 and
Tycho-2 with its supplement of the brightest stars at VizieR.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ztfpipe.errors import BadFile, TryAgain
from ztfpipe.methods.sky.calibrators import johnson_v
from ztfpipe.model.skycatalogs import Cone
from ztfpipe.products.catalogs.local_catalogs import BRIGHT_COLUMNS, GAIA_COLUMNS, PS1_COLUMNS
from ztfpipe.products.formats.atomic import write_bytes

Columns = dict[str, NDArray[Any]]
Query = Callable[[str, str], Columns]
"""Answers an ADQL query at a service's address with the columns of its result."""

ROWS_MAX = 3_000_000
TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Service:
    """A table at a TAP service: address, our names of columns and theirs (as ADQL writes them), table, condition."""

    url: str
    columns: Mapping[str, str]
    table: str
    condition: str = ""

    def adql(self, cone: Cone) -> str:
        """The query for all rows of a cone."""
        names = ", ".join(f"{theirs} AS {ours}" for ours, theirs in self.columns.items())
        where = (
            f"1 = CONTAINS(POINT('ICRS', {self.columns['ra']}, {self.columns['dec']}), "
            f"CIRCLE('ICRS', {cone.ra_deg:.6f}, {cone.dec_deg:.6f}, {cone.radius_deg:.6f}))"
        )
        return f"SELECT TOP {ROWS_MAX} {names} FROM {self.table} WHERE {where}{self.condition}"


_VIZIER = "https://tapvizier.cds.unistra.fr/TAPVizieR/tap"
# Observed positions (epoch 1991): every star has one, and halos are minutes wide.
_TYCHO = {"ra": '"RA(ICRS)"', "dec": '"DE(ICRS)"', "bt_mag": "BTmag", "vt_mag": "VTmag"}
SERVICES = {
    "gaia": Service("https://gea.esac.esa.int/tap-server/tap", GAIA_COLUMNS, "gaiadr3.gaia_source"),
    # Objects seen once are mostly artefacts (Flewelling et al. 2020, 4.2).
    "ps1": Service(
        "https://mast.stsci.edu/vo-tap/api/v0.1/ps1dr2",
        {ours: theirs for ours, theirs in PS1_COLUMNS.items() if ours != "star_score"},
        "dbo.MeanObjectView",
        " AND nDetections > 1",
    ),
    "ps1score": Service(
        _VIZIER,
        {"objid": "objid", "ra": "RAJ2000", "dec": "DEJ2000", "star_score": "psScore"},
        '"II/381/hlsp_ps1_tm"',
    ),
    "tycho2": Service(_VIZIER, _TYCHO, '"I/259/tyc2"'),
    "tycho2bright": Service(_VIZIER, _TYCHO, '"I/259/suppl_1"'),
}
SOUTHERN_LIMIT_DEG = -31.0
"""PS1 saw nothing south of this."""


class RemoteCatalogs:
    """Catalogs from the network with their cache in a folder; `query` asks a service (by default through astroquery).

    All methods raise TryAgain when a service does not answer, BadFile when it refuses, or its answer is cut short or no
    table.
    """

    def __init__(self, cache: Path, query: Query | None = None) -> None:
        self._cache, self._query = cache, query or ask_tap

    def gaia(self, cone: Cone) -> Columns:
        """Gaia DR3 sources of a cone; columns as GaiaStars needs them."""
        return self._fetch("gaia", cone)

    def ps1(self, cone: Cone) -> Columns:
        """PS1 DR2 mean objects of a cone with their star/galaxy scores; none south of the survey."""
        if cone.dec_deg + cone.radius_deg < SOUTHERN_LIMIT_DEG:
            return {name: np.zeros(0) for name in PS1_COLUMNS}
        objects, scores = self._fetch("ps1", cone), self._fetch("ps1score", cone)
        score = np.full(len(objects["objid"]), np.nan)
        _, ours, theirs = np.intersect1d(objects["objid"], scores["objid"], return_indices=True)
        score[ours] = scores["star_score"][theirs]
        return {**objects, "star_score": score}

    def bright(self, cone: Cone) -> Columns:
        """Tycho-2 stars of a cone and its supplement of the brightest, with Johnson V."""
        parts = [self._fetch(name, cone) for name in ("tycho2", "tycho2bright")]
        table = {name: np.concatenate([np.asarray(part[name], np.float64) for part in parts]) for name in parts[0]}
        v_mag = johnson_v(table["bt_mag"], table["vt_mag"])
        known = np.isfinite(table["ra"]) & np.isfinite(table["dec"]) & np.isfinite(v_mag)
        columns = {"ra": table["ra"], "dec": table["dec"], "v_mag": v_mag}
        return {name: columns[name][known] for name in BRIGHT_COLUMNS}

    def _fetch(self, name: str, cone: Cone) -> Columns:
        """A service's answer for a cone, from the cache when it is there."""
        service = SERVICES[name]
        adql = service.adql(cone)
        digest = hashlib.sha256(f"{service.url} {adql}".encode()).hexdigest()[:12]
        place = f"{cone.ra_deg:.4f}_{cone.dec_deg:+.4f}_{cone.radius_deg:.4f}"
        path = self._cache / name / f"{name}_{place}_{digest}.parquet"
        if path.exists():
            try:
                table = pq.read_table(path)
            except pyarrow.ArrowInvalid as error:
                raise BadFile(path, "a damaged answer in the cache; remove it") from error
            return {column: table[column].to_numpy() for column in table.column_names}
        answer = self._query(service.url, adql)
        columns = {ours: answer[key] for ours in service.columns if (key := _same(ours, answer)) is not None}
        missing = [ours for ours in service.columns if ours not in columns]
        if missing:
            raise BadFile(service.url, f"its answer has no column {missing[0]}")
        if len(columns["ra"]) >= ROWS_MAX:
            raise BadFile(service.url, f"more than {ROWS_MAX} rows; ask for less, or use a local copy")
        buffer = io.BytesIO()
        pq.write_table(pyarrow.table(columns), buffer, compression="zstd")
        write_bytes(path, buffer.getvalue())
        return columns


def ask_tap(url: str, adql: str) -> Columns:
    """Ask a TAP service and wait for its answer. Masked values become NaN.

    Raises TryAgain when it cannot be reached, BadFile when it refuses the query or cuts the answer short.
    """
    import requests
    from astroquery.utils.tap.core import Tap

    opened: list[http.client.HTTPConnection] = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # units and dates that VOTables spell loosely
        answer = Path(folder) / "answer.vot"
        try:
            tap = Tap(url=url, connhandler=_connection(url, opened))
            tap.launch_job(
                adql,
                output_file=str(answer),
                output_format="votable",
                dump_to_file=True,
                format_with_results_compressed=(),
            )
        except requests.exceptions.HTTPError as error:
            if str(error).startswith("Error 5"):
                raise TryAgain(url, f"the catalog service is out of order ({_one_line(error)})") from error
            raise BadFile(url, f"the service refused the query: {_one_line(error)}") from error
        except (OSError, http.client.HTTPException) as error:
            raise TryAgain(
                url,
                f"the catalog service cannot be reached ({_one_line(error)}); "
                "give a local copy in the settings, or run once where there is a network: answers are kept",
            ) from error
        finally:
            for connection in opened:
                connection.close()
        return _parsed(url, answer)


def _connection(url: str, opened: list[http.client.HTTPConnection]) -> Any:
    """astroquery's connection to a service, with what it lacks: a time limit, closing (`opened`), room for refusals."""
    from urllib.parse import urlsplit

    from astroquery.utils.tap.conn.tapconn import ConnectionHandler, TapConn

    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)

    class Limited(ConnectionHandler):
        def get_connection(self, **options: Any) -> http.client.HTTPConnection:
            connection = super().get_connection(**options)
            connection.timeout = TIMEOUT_S
            opened.append(connection)
            return connection

    class Connection(TapConn):
        def dump_to_file(self, output: str, response: Any) -> None:
            if isinstance(response, str):  # the text of a refusal, which astroquery then raises as an error
                Path(output).write_text(response, encoding="utf-8")
            else:
                super().dump_to_file(output, response)

    server, _, tap = parts.path.rstrip("/").rpartition("/")
    return Connection(
        secure,
        parts.hostname,
        server_context=server,
        tap_context=f"/{tap}",
        port=port,
        sslport=port,
        connhandler=Limited(parts.hostname, port, port),
    )


def _parsed(url: str, path: Path) -> Columns:
    """Columns of a VOTable; BadFile when it is none, or says that it is not the whole answer."""
    from astropy.io.votable import exceptions, parse

    try:
        table = parse(path)
        # The status that counts is the last one: a service finds out while it writes that it wrote too much.
        status = [info for resource in table.resources for info in resource.infos if info.name == "QUERY_STATUS"]
        first = table.get_first_table().to_table(use_names_over_ids=True)
    except (exceptions.VOTableSpecError, IndexError, ValueError, OSError) as error:
        raise BadFile(url, f"its answer is not a VOTable: {_one_line(error)}") from error
    if status and status[-1].value.upper() != "OK":
        raise BadFile(url, f"{status[-1].value.lower()}: {_one_line(status[-1].content or '')}")
    columns = {}
    for name in first.colnames:
        column = first[name]
        masked = np.ma.getmaskarray(column)
        columns[name] = np.ma.filled(column.astype(np.float64), np.nan) if masked.any() else np.asarray(column)
    return columns


def _same(name: str, answer: Columns) -> str | None:
    """The answer's spelling of a column: services change the case of names."""
    return next((key for key in answer if key.lower() == name.lower()), None)


def _one_line(error: object) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]
