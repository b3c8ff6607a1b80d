"""The kinds of campaigns, in words. The command line shows them, so this imports nothing."""

from __future__ import annotations

FRINGE, REFERENCE, BACKFILL = "fringe", "reference", "backfill"
CAMPAIGN_KINDS = {
    FRINGE: "science images and differences of a filter again, with fringe templates of now",
    REFERENCE: "references that are suspect or could be deeper, as new versions",
    BACKFILL: "differences of images whose reference came later",
}
