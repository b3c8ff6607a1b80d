"""Steps of `alerts`: names of objects, packets of an exposure or a quadrant, a program's packets of a night."""

from ztfpipe.steps.alerts.naming import names
from ztfpipe.steps.alerts.packaging import exposure, quadrant
from ztfpipe.steps.alerts.publishing import night

__all__ = ["exposure", "names", "night", "quadrant"]
