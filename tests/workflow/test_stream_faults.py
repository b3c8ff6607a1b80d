"""The publisher of packets, killed at any moment: no packet is lost, and one that comes twice is the same one."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.stream_scene import NIGHT, read_back, write_config, write_packets
from tools.mock_cluster import mock_cluster

from .conftest import BIN

pytestmark = pytest.mark.fault


def start(config: Path) -> subprocess.Popen:
    command = [str(BIN / "ztfpipe"), "publish", "--night", NIGHT, "--config", str(config)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def confirmed(workspace: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in workspace.glob("ledger/stream/*/*/*.candids"))


def test_a_publisher_killed_again_and_again_loses_nothing(tmp_path):
    packets = write_packets(tmp_path / "archive", quadrants=8, each=25)
    rng = random.Random(5)
    with mock_cluster(answer_ms=20) as (address, _):
        config = write_config(tmp_path, servers=address, in_flight_max=6, delivery_timeout_s=10)
        kills = 0
        for share in (0.0, 0.15, 0.3, 0.5, 0.7, 0.9):
            run = start(config)
            while confirmed(tmp_path) < share * len(packets) and run.poll() is None:
                time.sleep(0.002)
            # Anywhere between two confirmations, within an answer, within a line.
            time.sleep(rng.uniform(0, 0.06) + 0.4 * (share == 0))
            kills += run.poll() is None
            os.kill(run.pid, signal.SIGKILL)
            run.communicate()
        assert kills >= 4
        before = confirmed(tmp_path)
        last = start(config)
        told, said = last.communicate(timeout=60)
        assert last.returncode == 0, said
        assert all(line.endswith(",0,0") for line in told.splitlines()[1:])
        assert confirmed(tmp_path) == len(packets) > before
        came = Counter((one["topic"], one["candid"]) for one in read_back(address))
    assert {candid for _, candid in came} == set(packets)
    assert len(came) == len(packets), "each is on one topic, whoever sent it"
    # A kill leaves no more in doubt than were in flight, and there are six kills.
    assert came.total() - len(packets) <= 6 * kills


def test_two_publishers_at_once(tmp_path):
    packets = write_packets(tmp_path / "archive", quadrants=4, each=25)
    with mock_cluster(answer_ms=50) as (address, _):
        config = write_config(tmp_path, servers=address, in_flight_max=2, delivery_timeout_s=10)
        first = start(config)
        while confirmed(tmp_path) < 2 and first.poll() is None:
            time.sleep(0.01)
        second = start(config)
        _, said = second.communicate(timeout=60)
        assert second.returncode == 2
        assert f"night {NIGHT} is being worked on by process {first.pid} of" in said
        first.communicate(timeout=60)
        assert first.returncode == 0
        assert sorted(one["candid"] for one in read_back(address)) == sorted(packets)


def test_a_broker_killed_in_the_middle_and_another_in_its_place(tmp_path):
    """The new cluster has nothing: what a reader had of the first and has of the second is the night."""
    packets = write_packets(tmp_path / "archive", quadrants=4, each=25)
    with mock_cluster(answer_ms=50) as (address, process):
        config = write_config(tmp_path, servers=address, in_flight_max=2)
        run = start(config)
        while confirmed(tmp_path) < 20 and run.poll() is None:
            time.sleep(0.01)
        process.kill()
        _, said = run.communicate(timeout=60)
    assert run.returncode == 75
    assert f"Kafka at {address}: " in said
    assert f"of {len(packets)} packets are left after 2 tries" in said or "all packets are left" in said
    with mock_cluster() as (address, _):
        again = start(write_config(tmp_path, servers=address))
        _, said = again.communicate(timeout=60)
        assert again.returncode == 0, said
        assert sorted(one["candid"] for one in read_back(address)) == sorted(packets)
