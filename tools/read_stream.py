"""Reads topics of a Kafka cluster to their end, as a stranger would: confluent-kafka and fastavro, nothing of ztfpipe.

`python tools/read_stream.py ADDRESS PREFIX` prints, as JSON, a line for each message of the topics that begin so:
topic, key, identifiers, magnitude, score, lengths of the histories, and bytes of the cutouts. Every field is decoded.
"""

from __future__ import annotations

import io
import json
import sys
import time

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

PATIENCE_S = 20.0
CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")


def main(address: str, prefix: str) -> None:
    """Print a line for each message."""
    consumer = Consumer(
        {"bootstrap.servers": address, "group.id": "reader", "enable.partition.eof": True, "log_level": 0}
    )
    topics = consumer.list_topics(timeout=PATIENCE_S).topics.values()
    parts = [
        TopicPartition(t.topic, p, OFFSET_BEGINNING) for t in topics if t.topic.startswith(prefix) for p in t.partitions
    ]
    consumer.assign(parts)
    left, until = len(parts), time.monotonic() + PATIENCE_S
    while left:
        message = consumer.poll(1.0)
        if time.monotonic() > until:
            sys.exit("the end of a topic was not reached")
        if message is None:
            continue
        if message.error():
            if message.error().code() != KafkaError._PARTITION_EOF:
                sys.exit(str(message.error()))
            left -= 1
            continue
        print(json.dumps(summary(message.topic(), message.key().decode(), message.value())))
    consumer.close()


def summary(topic: str, key: str, content: bytes) -> dict[str, object]:
    """What a packet says, in short."""
    (packet,) = fastavro.reader(io.BytesIO(content))
    one = packet["candidate"]
    return {
        "topic": topic,
        "key": key,
        "candid": packet["candid"],
        "objectId": packet["objectId"],
        "programid": one["programid"],
        "magpsf": one["magpsf"],
        "drb": one["drb"],
        "history": len(packet["prv_candidates"] or ()),
        "forced": len(packet["fp_hists"] or ()),
        "cutouts": [len(packet[name]["stampData"]) if packet[name] else 0 for name in CUTOUTS],
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
