"""Run by the clients' own Python: what AMPEL makes of packets in archives and on a Kafka cluster, as JSON.

Arguments: the address of the cluster, then paths of archives. A reader that cannot read a packet ends this with its
traceback.
"""

import json
import sys

import fastavro
from ampel.alert.load.TarAlertLoader import TarAlertLoader
from ampel.ztf.alert.ZiAlertSupplier import ZiAlertSupplier
from ampel.ztf.t0.load.UWAlertLoader import UWAlertLoader
from ampel.ztf.util.ZTFIdMapper import to_ztf_id


def shaped(stream):
    """The alert of a packet as AMPEL keeps it."""
    alert = ZiAlertSupplier.shape_alert_dict(next(fastavro.reader(stream)))
    first = alert.datapoints[0]
    return {
        "candid": alert.id,
        "name": to_ztf_id(alert.stock),
        "jd": first["jd"],
        "magpsf": first["magpsf"],
        "detections": sum("candid" in one for one in alert.datapoints),
        "limits": sum("candid" not in one for one in alert.datapoints),
        "programs": sorted({one["programid"] for one in alert.datapoints}),
    }


address, *paths = sys.argv[1:]
found = {}
for path in paths:
    loader = TarAlertLoader(file_path=path, file_obj=None)
    found[path] = [shaped(one) for one in loader]
for stream in ("ztf_uw_public", "ztf_uw_private"):
    # A new topic is seen at the next look at the cluster, which comes every second.
    loader = UWAlertLoader(bootstrap=address, stream=stream, timeout=8)
    found[stream] = [shaped(one) for one in loader.alerts()]
print(json.dumps(found))
