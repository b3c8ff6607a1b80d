"""Run by the clients' own Python: where ztfquery looks for each file of a list, as JSON; no network.

Arguments: a JSON list of bare file names, and one of masters [type, year, month, day, filter, ccd, qid, suffix].
"""

import json
import socket
import sys


def refuse(*_, **__):
    raise ConnectionError("no network in this test")


socket.socket.connect = refuse

from ztfquery import buildurl, io  # noqa: E402

names, masters = (json.loads(text) for text in sys.argv[1:3])
found = {name: io.get_file(name, downloadit=False) for name in names}
by_suffix = {name: io.get_file(name, suffix="psfcat.fits", downloadit=False) for name in names if "sciimg.fits" in name}
cal = [buildurl.calibration_path(*master[:7], suffix=master[7], source="local") for master in masters]
print(json.dumps({"files": found, "psfcats": by_suffix, "masters": cal}))
