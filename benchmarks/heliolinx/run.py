"""Run by heliolinx' interpreter: tracklets, clusters, purified links. FOLDER with scene.npz; writes links.npz.

Its defaults, but for what four nights of a survey ask: two tracklets on two nights, four detections, tracklets over as
many hours as our own pairs. Hypotheses: distances from the Sun of main belt and near-Earth objects, and velocities.
"""

import json
import resource
import sys
import time
from pathlib import Path

import heliolinx.heliolinx as hl
import numpy as np

AU_KM, MJD_JD = 1.495978707e8, 2400000.5
DISTANCES_AU, VELOCITIES_AU_D = np.arange(1.1, 4.2, 0.2), np.linspace(-0.004, 0.004, 5)


def blank(kind, n):
    table = getattr(hl, f"create_{kind}")(n)
    table[:] = np.zeros(n, table.dtype)
    return table


def inputs(scene):
    """Detections, images and the Earth about them, in heliolinx' own records."""
    n = len(scene["jd"])
    detections = blank("hldet", n)
    detections["MJD"], detections["RA"], detections["Dec"] = scene["jd"] - MJD_JD, scene["ra"], scene["dec"]
    detections["mag"], detections["sigmag"] = scene["mag"], 0.1
    detections["sig_across"] = detections["sig_along"] = scene["sigma"]
    detections["idstring"], detections["band"], detections["obscode"] = np.arange(n).astype("S20"), b"r", b"I41"
    detections["index"], detections["image"] = np.arange(n), -1
    mjd, first, own = np.unique(detections["MJD"], return_index=True, return_inverse=True)
    images = blank("hlimage", len(mjd))
    images["MJD"], images["obscode"], images["exptime"] = mjd, b"I41", 30.0
    for k in range(len(mjd)):
        images["RA"][k], images["Dec"][k] = (np.median(scene[name][own == k]) for name in ("ra", "dec"))
    days = np.arange(mjd[0] - 3, mjd[-1] + 4)
    earth = blank("EarthState", len(days))
    earth["MJD"] = days
    for k, axis in enumerate("xyz"):
        # A few days of the Earth's orbit are a cubic; its own turning, some km/s less than errors of tracklets, is not.
        path = np.polynomial.Polynomial.fit(mjd, scene["observer"][first, k] * AU_KM, 3)
        images[axis.upper()] = scene["observer"][first, k] * AU_KM
        images[f"V{axis.upper()}"] = path.deriv()(mjd) / 86400.0
        earth[axis], earth[f"v{axis}"] = path(days), path.deriv()(days) / 86400.0
    return detections, images, earth


def linked(detections, images, earth, exposure_deg):
    """Detections of the links, and to which link each belongs."""
    pairing = hl.MakeTrackletsConfig()
    pairing.maxvel, pairing.maxtime, pairing.mintime = 1.2, 10 / 24, 1 / 1440
    pairing.minarc, pairing.imagerad, pairing.maxgcr = 1.0, exposure_deg * 0.75, 0.7
    paired, tracklets, which = hl.makeTracklets(pairing, detections, images)
    distance, velocity = (one.ravel() for one in np.meshgrid(DISTANCES_AU, VELOCITIES_AU_D))
    guesses = blank("hlradhyp", len(distance))
    guesses["HelioRad"], guesses["R_dot"] = distance, velocity
    clustering = hl.HeliolincConfig()
    clustering.MJDref = 0.5 * (images["MJD"][0] + images["MJD"][-1])
    clustering.dbscan_npt = clustering.minobsnights = 2
    clustering.mintimespan = 0.5
    clusters, members = hl.heliolinc(clustering, images, paired, tracklets, which, guesses, earth)
    purifying = hl.LinkPurifyConfig()
    purifying.MJDref, purifying.minobsnights, purifying.minpointnum = clustering.MJDref, 2, 4
    _, members = hl.linkPurify(purifying, images, paired, clusters, members)
    return paired["index"][members["i2"]], members["i1"]


def main():
    folder = Path(sys.argv[1])
    scene = np.load(folder / "scene.npz")
    tables = inputs(scene)
    started = time.process_time()
    detection, link = linked(*tables, float(scene["field_deg"]))
    cpu_s = time.process_time() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    np.savez(folder / "links.npz", detection=detection, link=link)
    (folder / "cost.json").write_text(json.dumps({"cpu_s": cpu_s, "peak_mb": peak_mb}))


main()
