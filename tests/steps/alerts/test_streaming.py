"""`ztfpipe publish` against librdkafka's mock cluster, read back by a stranger in another process."""

import gzip
import os
import signal
import time

import pytest

from tests.stream_scene import NIGHT, by_topic, read_back, write_config, write_packets
from tools.mock_cluster import mock_cluster
from ztfpipe.cli.main import run
from ztfpipe.errors import BadSettings, TryAgain
from ztfpipe.products.alerts.packets import read_archive, write_archive
from ztfpipe.steps.alerts.streaming import run_publish

TESS = {
    "tess_{night}": {
        "cuts": [{"column": "drb", "at_least": 0.65}],
        "footprint": [
            {"ra_deg": 10.0, "dec_deg": 0.0, "radius_deg": 0.5},
            {"corners_deg": [[11.5, 1.5], [12.5, 1.5], [12.5, 2.5], [11.5, 2.5]]},
        ],
    }
}


@pytest.fixture(scope="module")
def cluster():
    with mock_cluster() as found:
        yield found


@pytest.fixture
def site(tmp_path):
    return tmp_path, write_packets(tmp_path / "archive")


def topic_of(program):
    return f"ztf_{NIGHT}_programid{program}"


def candids(packets, **wanted):
    return sorted(c for c, one in packets.items() if all(one[k] == v for k, v in wanted.items()))


def test_a_night_arrives_whole_and_each_packet_at_its_topics(site, cluster, capsys):
    workspace, packets = site
    config = write_config(workspace, servers=cluster[0], extra=TESS)
    assert run(["publish", "--night", NIGHT, "--config", str(config)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "topic,packets,confirmed,confirmed_now,refused,left"
    assert f"{topic_of(1)},10,10,10,0,0" in printed
    messages = read_back(cluster[0])
    # Private packets are on no other topic, even where the footprint would have them: quadrant 1 is of program 2.
    chosen = [
        c for c in candids(packets, programid=1, drb=0.9) if (packets[c]["ra"], packets[c]["dec"]) in {(10, 0), (12, 2)}
    ]
    assert len(chosen) == 2
    assert by_topic(messages) == {
        **{topic_of(k): candids(packets, programid=k) for k in (1, 2, 3)},
        f"tess_{NIGHT}": chosen,
    }
    assert all(one["key"] == str(one["candid"]) for one in messages)
    # Again: nothing goes out; one archive made again with a packet more: that one goes.
    assert run(["publish", "--night", NIGHT, "--config", str(config)]) == 0
    assert f"{topic_of(1)},10,10,0,0,0" in capsys.readouterr().out
    more = write_packets(workspace / "archive", each=6)
    assert run(["publish", "--night", NIGHT, "--config", str(config)]) == 0
    assert f"{topic_of(1)},12,12,2,0,0" in capsys.readouterr().out
    assert by_topic(read_back(cluster[0], "ztf"))[topic_of(1)] == candids(more, programid=1)


def test_one_quadrant_and_what_is_not_streamed(site, capsys):
    workspace, packets = site
    paths = sorted(str(p.relative_to(workspace / "archive")) for p in workspace.glob("archive/sci/*/*/*/*.gz"))
    with mock_cluster() as (address, _):
        config = write_config(workspace, servers=address, programs=[1, 3])
        assert run(["publish", "--quadrant", *paths[:2], "--config", str(config)]) == 0
        assert by_topic(read_back(address)) == {topic_of(1): candids(packets, dec=0.0)}
    assert "5 packets of programs that are not streamed" in capsys.readouterr().err
    assert run(["publish", "--night", "20180411", "--quadrant", *paths, "--config", str(config)]) == 2
    assert "not of night 20180411" in capsys.readouterr().err


def test_a_dry_run_writes_what_would_be_sent_and_remembers_nothing(site, tmp_path, capsys):
    workspace, packets = site
    config = write_config(workspace, extra=TESS)
    assert run(["publish", "--night", NIGHT, "--config", str(config), "--dry-run", str(tmp_path / "out")]) == 0
    assert "left" in capsys.readouterr().out
    written = {(p.parent.name, int(p.stem)): p.read_bytes() for p in (tmp_path / "out").rglob("*.avro")}
    assert len(written) == 22
    sent = {c: b for p in workspace.glob("archive/sci/*/*/*/*.gz") for c, b in read_archive(p)}
    assert all(content == sent[candid] for (_, candid), content in written.items())
    assert {candid for _, candid in written} == set(packets)
    assert not (workspace / "ledger").exists()


def test_a_cluster_that_stops_answering_is_named_and_the_rest_is_sent_later(site):
    """The broker's process is stopped in the middle, then goes on: what it had not confirmed comes, nothing is lost."""
    workspace, packets = site
    with mock_cluster() as (address, process):
        config = write_config(workspace, servers=address, in_flight_max=1)
        first = str(
            next(iter(sorted((workspace / "archive").glob("sci/*/*/*/*.gz")))).relative_to(workspace / "archive")
        )
        assert run_publish(config, None, NIGHT, [first], None) == 0
        os.kill(process.pid, signal.SIGSTOP)
        begun = time.monotonic()
        with pytest.raises(TryAgain, match=f"Kafka at {address}: .* are left after 2 tries"):
            run_publish(config, None, NIGHT, [], None)
        # Two tries of a second each, a pause of 0.1 s, and a second for what is given up.
        assert time.monotonic() - begun < 8
        os.kill(process.pid, signal.SIGCONT)
        assert run_publish(config, None, NIGHT, [], None) == 0
        found = by_topic(read_back(address))
        assert {topic: sorted(set(c)) for topic, c in found.items()} == {
            topic_of(k): candids(packets, programid=k) for k in (1, 2, 3)
        }
        # What the first call had sent did not go again.
        assert all(found[topic_of(1)].count(candid) == 1 for candid in candids(packets, dec=0.0))


def test_another_cluster_has_confirmed_nothing(site):
    workspace, packets = site
    for _ in range(2):
        with mock_cluster() as (address, _):
            assert run_publish(write_config(workspace, servers=address), None, NIGHT, [], None) == 0
            assert sum(map(len, by_topic(read_back(address)).values())) == len(packets)


def test_nobody_answers(site, capsys):
    config = write_config(site[0], servers="127.0.0.1:9", options={"socket.connection.setup.timeout.ms": 1000})
    assert run(["publish", "--night", NIGHT, "--config", str(config)]) == 75
    said = capsys.readouterr().err
    assert "Kafka at 127.0.0.1:9: " in said
    assert "all packets are left after 2 tries" in said


def test_a_packet_too_large_is_refused_and_the_others_go(site, capsys):
    workspace, packets = site
    with mock_cluster() as (address, _):
        config = write_config(workspace, servers=address, options={"message.max.bytes": 60000})
        big = sorted(workspace.glob("archive/sci/*/*/*/*.gz"))[0]
        content = dict(read_archive(big))
        first = min(content)
        # What follows the packet is not looked at before it is sent.
        write_archive(big, [(c, b + bytes(60000) if c == first else b) for c, b in content.items()], 0)
        assert run(["publish", "--night", NIGHT, "--config", str(config)]) == 2
        printed = capsys.readouterr()
        assert f"{first}.avro: refused for topic {topic_of(1)}" in printed.err
        assert f"{topic_of(1)},10,9,9,1,0" in printed.out
        assert sum(map(len, by_topic(read_back(address)).values())) == len(packets) - 1


def test_secrets_come_from_the_environment_and_are_in_no_word_or_record(site, monkeypatch, capsys):
    workspace, _ = site
    secret = "correct-horse-battery"
    options = {"sasl.username": "ztf", "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}
    config = write_config(
        workspace, servers="127.0.0.1:9", options=options, secrets={"sasl.password": "STREAM_PASSWORD"}, tries=1
    )
    assert run(["publish", "--night", NIGHT, "--config", str(config)]) == 2
    assert "STREAM_PASSWORD is not set" in capsys.readouterr().err
    monkeypatch.setenv("STREAM_PASSWORD", secret)
    assert run(["publish", "--night", NIGHT, "--config", str(config)]) == 75
    said = capsys.readouterr()
    assert secret not in said.out + said.err
    assert not [p for p in workspace.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]
    # librdkafka's own sentence about a value that it refuses would quote it.
    config = write_config(workspace, servers="127.0.0.1:9", secrets={"security.protocol": "STREAM_PASSWORD"}, tries=1)
    assert run(["publish", "--night", NIGHT, "--config", str(config)]) == 2
    assert secret not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        ({}, "no servers"),
        ({"servers": "a:1", "options": {"sasl.password": "x"}}, "sasl.password is secret"),
        ({"servers": "a:1", "options": {"acks": 0}}, "acks is not free"),
        ({"servers": "a:1", "topic": "ztf_{night}"}, "{program} must stand"),
        ({"servers": "a:1", "topic": "a b{program}"}, "letters, digits"),
        ({"servers": "a:1", "extra": {"x{moon}": {}}}, "only {night} and {program}"),
        ({"servers": "a:1", "extra": {"ztf_{night}_programid2": {}}}, "no extra topic"),
        ({"servers": "a:1", "extra": {"x": {"cuts": [{"column": "drb"}]}}}, "at_least, at_most or equals"),
        ({"servers": "a:1", "extra": {"x": {"cuts": [{"column": "drd", "at_least": 1}]}}}, "drd is no field"),
        (
            {"servers": "a:1", "extra": {"x": {"footprint": [{"corners_deg": [[0, 0], [120, 0], [240, 0], [0, 9]]}]}}},
            "within 80 deg of its middle",
        ),
    ],
)
def test_settings_that_say_nothing_sensible(tmp_path, stream, reason):
    config = write_config(tmp_path, **stream)
    (tmp_path / "archive").mkdir()
    with pytest.raises(BadSettings) as caught:
        run_publish(config, None, NIGHT, [], None)
    assert reason in str(caught.value)


def test_an_archive_cut_short_is_named(site, cluster, capsys):
    workspace, _ = site
    path = sorted(workspace.glob("archive/sci/*/*/*/*.gz"))[0]
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:3000]))
    config = write_config(workspace, servers=cluster[0])
    assert run(["publish", "--night", NIGHT, "--config", str(config)]) == 2
    assert path.name in capsys.readouterr().err
