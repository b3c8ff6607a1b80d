"""A Kafka cluster for tests and the demonstration: librdkafka's mock, in a process of its own, served over TCP.

It prints the address of its broker and ends when its standard input does. It keeps some 5 MB a partition and forgets
all when it ends: it shows that a stream is right, not how fast a real cluster takes it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Producer


@contextmanager
def mock_cluster(brokers: int = 1, answer_ms: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a cluster that takes so long to answer, and its process, which is ended afterwards."""
    command = [sys.executable, __file__, str(brokers), str(answer_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def main(brokers: int, answer_ms: int) -> None:
    """Serve until standard input ends."""
    owner = Producer({"test.mock.num.brokers": brokers, "test.mock.broker.rtt": answer_ms, "log_level": 0})
    found = owner.list_topics(timeout=10).brokers.values()
    print(",".join(f"{one.host}:{one.port}" for one in found), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
