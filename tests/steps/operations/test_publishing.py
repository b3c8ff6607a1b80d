"""Packets that an operator sends: of the exposures asked for, and a cluster that is away holds nothing up."""

from __future__ import annotations

import pytest

from tests.alerts_nights import looks, nights, run_night
from tests.alerts_scene import write_look
from tools.mock_cluster import mock_cluster
from ztfpipe.config import Config
from ztfpipe.config.stream import Stream
from ztfpipe.errors import BadSettings
from ztfpipe.products.alerts.packets import read_archive
from ztfpipe.products.names import path_of
from ztfpipe.steps.operations.publishing import publisher


@pytest.fixture
def night(tmp_path, monkeypatch):
    """An archive with the packets of four looks of a night, and these."""
    archive = tmp_path / "archive"
    archive.mkdir()
    monkeypatch.chdir(archive)
    everything = looks()[:4]
    for one in everything:
        write_look(one)
    (date,) = nights(everything)
    run_night(everything, date)
    return archive, date, everything


def packets(look) -> int:
    return len(list(read_archive(path_of("alerts", look.key))))


def config(servers: str, **options) -> Config:
    return Config(camera="mini", workspace="..", stream=Stream(servers=servers, delivery_timeout_s=1.0, **options))


def test_packets_of_an_exposure_are_sent_and_at_the_end_those_of_all_others(night):
    archive, date, everything = night
    said = []
    with mock_cluster() as (address, _):
        send = publisher(config(address), archive, date, said.append)
        send([everything[0].key.exposure])
        send(None)
    first, rest = packets(everything[0]), sum(map(packets, everything[1:]))
    assert first > 0
    assert said == [f"{count} packets confirmed by the brokers" for count in (first, rest)]


def test_a_cluster_that_is_away_is_said_and_what_was_not_sent_goes_with_the_next(night):
    archive, date, everything = night
    said = []
    # Port 9 of this machine discards, or refuses.
    publisher(config("127.0.0.1:9"), archive, date, said.append)(None)
    assert len(said) == 1
    assert "packets are not sent" in said[0]
    with mock_cluster() as (address, _):
        publisher(config(address), archive, date, said.append)(None)
    assert said[1] == f"{sum(map(packets, everything))} packets confirmed by the brokers"


def test_without_brokers_nothing_is_sent_and_a_wrong_stream_is_refused_at_once(night):
    archive, date, _ = night
    said = []
    publisher(config(""), archive, date, said.append)(None)
    assert said == []
    cut = {"for_tess": {"cuts": [{"column": "nonsense", "at_least": 1.0}]}}
    with pytest.raises(BadSettings, match="nonsense is no field"):
        publisher(config("127.0.0.1:9", extra=cut), archive, date, said.append)
