"""Packets to a Kafka cluster, each delivery confirmed; or to a folder, to see what would be sent.

This module alone knows librdkafka. Messages have the candid as key, so that a packet that is sent again is known again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException, Producer

from ztfpipe.errors import BadSettings, TryAgain
from ztfpipe.products.formats.atomic import write_bytes

_BATCH = 50
"""Confirmations handed over at once: each time costs a flush of the disk."""
_WAIT_S = 0.1
_QUIET = 2
"""librdkafka writes to stderr by itself what we say in our own words; only what is critical stays."""
_REFUSALS = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_MSG_SIZE,
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.POLICY_VIOLATION,
}
"""Answers that the same message would get again; all others are of a cluster that may come back."""


@dataclass(frozen=True)
class Message:
    """A packet for a topic."""

    topic: str
    candid: int
    content: bytes


Address = tuple[str, int]
"""Topic and candid of a message."""
Confirmed = Callable[[list[Address]], None]


@dataclass
class Delivery:
    """What became of messages: those refused for good, with the reason; and why sending ended early, if it did."""

    refused: dict[Address, str] = field(default_factory=dict)
    fault: str = ""


class Cluster:
    """A connection to a Kafka cluster. `identity` is its own name of itself, the same through all of its brokers."""

    def __init__(self, servers: str, options: Mapping[str, object], timeout_s: float) -> None:
        """Connect. Raises TryAgain when no broker answers, BadSettings when librdkafka refuses an option.

        options: librdkafka's, secrets with their values among them (`with_secrets`).
        """
        self.servers, self._timeout_s = servers, timeout_s
        self._heard = ""
        self._in_flight = 0
        self._confirmed: list[Address] = []
        self._delivery = Delivery()
        ours = {
            "bootstrap.servers": servers,
            "acks": "all",
            "enable.idempotence": True,
            "message.timeout.ms": int(1000 * timeout_s),
            "error_cb": self._hear,
        }
        try:
            self._producer = Producer({"client.id": "ztfpipe", "log_level": _QUIET, **options, **ours})
        except KafkaException as error:
            # The sentence of librdkafka may hold the value that it refuses.
            raise BadSettings("stream", f"librdkafka refuses an option: {error.args[0].name()}") from None
        self.identity = self._ask()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        """Give up what was not delivered."""
        self._producer.purge()
        self._producer.flush(1.0)

    def deliver(self, messages: Iterable[Message], confirmed: Confirmed, in_flight_max: int) -> Delivery:
        """Send messages; `confirmed` is given the addresses of those that the cluster has.

        Ends early when the cluster has not confirmed a message within the timeout: the rest is then not tried.
        """
        self._delivery = Delivery()
        try:
            for one in messages:
                while self._in_flight >= in_flight_max and not self._delivery.fault:
                    self._settle(confirmed, _WAIT_S)
                if self._delivery.fault:
                    break
                self._send(one)
                self._settle(confirmed, 0.0)
            while self._in_flight and not self._delivery.fault:
                self._settle(confirmed, _WAIT_S)
        finally:
            self._producer.purge()
            self._producer.flush(1.0)
            self._hand_over(confirmed)
        return self._delivery

    def _ask(self) -> str:
        try:
            found = self._producer.list_topics(timeout=self._timeout_s)
        except KafkaException as error:
            raise TryAgain(f"Kafka at {self.servers}", self._heard or error.args[0].str()) from None
        return found.cluster_id or self.servers

    def _send(self, one: Message) -> None:
        address = one.topic, one.candid
        self._in_flight += 1
        try:
            self._producer.produce(
                one.topic,
                key=str(one.candid).encode(),
                value=one.content,
                on_delivery=lambda error, _: self._answered(address, error),
            )
        except KafkaException as error:
            self._answered(address, error.args[0])
        except BufferError:
            self._in_flight -= 1
            self._delivery.fault = self._heard or "the queue of messages is full"

    def _answered(self, address: Address, error: KafkaError | None) -> None:
        self._in_flight -= 1
        if error is None:
            self._confirmed.append(address)
        elif error.code() in _REFUSALS:
            self._delivery.refused[address] = error.str()
        else:
            self._delivery.fault = self._delivery.fault or self._heard or error.str()

    def _hear(self, error: KafkaError) -> None:
        """What librdkafka says of its connections, by callback: the last is the reason of what fails next."""
        self._heard = error.str()
        if error.fatal():
            self._delivery.fault = self._heard

    def _settle(self, confirmed: Confirmed, wait_s: float) -> None:
        self._producer.poll(wait_s)
        if wait_s or len(self._confirmed) >= _BATCH:
            self._hand_over(confirmed)

    def _hand_over(self, confirmed: Confirmed) -> None:
        if self._confirmed:
            given, self._confirmed = self._confirmed, []
            confirmed(given)


def with_secrets(options: Mapping[str, object], secrets: Mapping[str, str]) -> dict[str, object]:
    """Options with those whose values are in the environment. BadSettings for a variable that is not set."""
    missing = sorted(name for name in secrets.values() if not os.environ.get(name))
    if missing:
        raise BadSettings(
            "stream", f"environment variable {missing[0]} is not set, which holds a secret of the brokers"
        )
    return {**options, **{option: os.environ[name] for option, name in secrets.items()}}


class Folder:
    """A folder in place of a cluster: TOPIC/CANDID.avro."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def deliver(self, messages: Iterable[Message], confirmed: Confirmed, in_flight_max: int) -> Delivery:
        """Write messages that are not there yet."""
        for one in messages:
            path = self.folder / one.topic / f"{one.candid}.avro"
            if not path.exists():
                write_bytes(path, one.content)
            confirmed([(one.topic, one.candid)])
        return Delivery()


@contextlib.contextmanager
def cluster_or_folder(
    servers: str, options: Mapping[str, object], timeout_s: float, folder: Path | None
) -> Iterator[Cluster | Folder]:
    """The cluster at `servers`, or the folder if there is one."""
    if folder is not None:
        yield Folder(folder)
        return
    with Cluster(servers, options, timeout_s) as cluster:
        yield cluster
