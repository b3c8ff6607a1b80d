"""Run by LSDB's own Python: what LSDB, pandas and pyarrow read of a release's light curves, as JSON; no network.

Arguments: the folder of a HATS catalog, a file of light curves, its field's folder, and right ascension, declination
[deg] and radius [arcsec] of a cone.
"""

import json
import sys

import lsdb
import pandas as pd
import pyarrow.parquet as pq

hats, path, folder, ra_deg, dec_deg, radius_arcsec = *sys.argv[1:4], *map(float, sys.argv[4:7])
catalog = lsdb.open_catalog(hats)
cone = catalog.cone_search(ra=ra_deg, dec=dec_deg, radius_arcsec=radius_arcsec).compute()
whole = catalog.compute()
table = pd.read_parquet(path)
print(
    json.dumps(
        {
            "rows": len(catalog),
            "partitions": len(catalog.get_healpix_pixels()),
            "columns": list(catalog.columns),
            "cone": sorted(map(int, cone["objectid"])),
            "one": {"objectid": int(cone["objectid"].iloc[0]), "mag": [float(m) for m in cone["mag"].iloc[0]]},
            "ids": sorted(map(int, whole["objectid"])),
            "ascending": bool(whole.index.is_monotonic_increasing),
            "pandas": {"rows": len(table), "index": table.index.tolist()[:3], "columns": list(table.columns)},
            "field": pq.read_table(folder).num_rows,
        }
    )
)
