"""An operator's packets, sent as soon as they are made, where the configuration names brokers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from pathlib import Path

from ztfpipe.config import Config
from ztfpipe.errors import BadFile, Busy, TryAgain
from ztfpipe.model.keys import ExposureKey
from ztfpipe.products.names import key_of
from ztfpipe.steps.alerts.streaming import archives_of, check_stream, publish

Publisher = Callable[[Collection[ExposureKey] | None], None]
"""Sends the packets of some exposures, or all of the night's."""


def publisher(config: Config, archive: Path, night: str, say: Callable[[str], None]) -> Publisher:
    """What sends a night's packets; it does nothing where no brokers are configured.

    What cannot be sent now is said and holds nothing up: the end of the night tries all that is left once more, and
    `ztfpipe publish` can at any time. BadSettings when the stream is configured wrongly.
    """
    if not config.stream.servers:
        return lambda exposures: None
    check_stream(config, None)
    # Sending is begun once: the next batch is the next try.
    once = config.model_copy(update={"stream": config.stream.model_copy(update={"tries": 1})})

    def send(exposures: Collection[ExposureKey] | None) -> None:
        with contextlib.chdir(archive):
            paths = [
                path for path in archives_of(night) if exposures is None or key_of(path, "alerts").exposure in exposures
            ]
            if not paths:
                return
            try:
                account = publish(paths, night, once, None)
            except (TryAgain, Busy, BadFile) as error:
                say(f"packets are not sent, ztfpipe publish sends them later: {error}")
                return
        refused = f", {len(account.refused)} refused" if account.refused else ""
        say(f"{account.now.total()} packets confirmed by the brokers{refused}")

    return send
