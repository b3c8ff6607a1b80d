"""Recipe `ingest`: the verdict on each file sent, the night's accounts, and the plan that the rest is drawn from.

System paper (Masci et al. 2019), section 3.2 and the first boxes of figure 3: every file received is verified before it
is archived; what fails is set aside with its reason.
"""

from ztfpipe.pipelines.ingest.accounts import accounts, unnameable
from ztfpipe.pipelines.ingest.plan import plan_night
from ztfpipe.pipelines.ingest.verdict import duplicate, verdict

__all__ = ["accounts", "duplicate", "plan_night", "unnameable", "verdict"]
