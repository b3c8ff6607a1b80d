"""`ztfpipe publish`: packets to the topics of a Kafka cluster, each confirmed, none lost. It makes no product.

What the cluster has confirmed is in the ledger before more is sent; a run that was cut off is simply run again.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ztfpipe.config import Config
from ztfpipe.errors import BadFile, BadKey, BadName, BadSettings, TryAgain
from ztfpipe.methods.sky.regions import cap_of
from ztfpipe.model.keys import NightKey, QuadrantKey
from ztfpipe.pipelines.alerts.topics import columns_of, region_of, topics_of
from ztfpipe.products.alerts import packets
from ztfpipe.products.alerts.broker import Cluster, Delivery, Folder, Message, cluster_or_folder, with_secrets
from ztfpipe.products.alerts.sent import NoRecord, SentRecord
from ztfpipe.products.names import key_of
from ztfpipe.steps.workspace import archive_of, configured

NOT_STREAMED = ""
"""In the place of a topic: packets of programs that are not streamed."""
_REPORT_S = 5.0


@dataclass
class Archive:
    """A quadrant's packets: topics by candid, and what is needed to know the file again."""

    path: str
    state: str
    topics: dict[int, tuple[str, ...]]

    def addresses(self) -> Iterator[tuple[str, int]]:
        """Topic and candid of each message."""
        return ((topic, candid) for candid, topics in self.topics.items() for topic in topics)

    def counts(self) -> Counter[str]:
        """Packets of each topic."""
        return Counter(topic for topics in self.topics.values() for topic in topics or (NOT_STREAMED,))


class Account:
    """Packets by topic: what there is, what the cluster has, what it had before, what it refused."""

    def __init__(self) -> None:
        self.there: Counter[str] = Counter()
        self.confirmed: Counter[str] = Counter()
        self.now: Counter[str] = Counter()
        self.refused: dict[tuple[str, int], str] = {}

    def begin(self) -> None:
        """Forget all but what has been confirmed in this run: a try counts anew."""
        self.there.clear()
        self.confirmed.clear()
        self.refused = {}

    @property
    def left(self) -> int:
        """Packets that neither are confirmed nor were refused."""
        return sum(n for t, n in self.there.items() if t) - self.confirmed.total() - len(self.refused)

    def lines(self) -> list[str]:
        """One for each topic, as comma-separated values under a head."""
        refused = Counter(topic for topic, _ in self.refused)
        rows = [
            (t, n, self.confirmed[t], self.now[t], refused[t], n - self.confirmed[t] - refused[t])
            for t, n in sorted(self.there.items())
            if t
        ]
        return ["topic,packets,confirmed,confirmed_now,refused,left", *(",".join(map(str, row)) for row in rows)]


def run_publish(
    config_path: Path, workspace: Path | None, night: str | None, archives: Sequence[str], folder: Path | None
) -> int:
    """Send the packets of a night, or of some quadrants' archives, which are of one night, and print the accounts.

    folder: where they are written instead. Raises TryAgain when the cluster cannot be reached or stops answering in
    every try, Busy when another process publishes the night, BadFile for a packet that is refused, BadSettings.
    """
    config = configured(config_path, workspace)
    folder = folder.resolve() if folder else None
    check_stream(config, folder)
    night = night or (_night_of(archives[0]) if archives else None)
    if night is None:
        raise BadKey("night", night, "a night YYYYMMDD, unless archives of quadrants are named")
    for one in archives:
        if _night_of(one) != night:
            raise BadName(one, f"not of night {night}")
    with contextlib.chdir(archive_of(config)):
        paths = list(archives) or archives_of(night)
        account = publish(paths, night, config, folder)
    print("\n".join(account.lines()))
    if account.there[NOT_STREAMED]:
        print(f"{account.there[NOT_STREAMED]} packets of programs that are not streamed", file=sys.stderr)
    if account.refused:
        (topic, candid), reason = next(iter(account.refused.items()))
        more = f", and {len(account.refused) - 1} more" if len(account.refused) > 1 else ""
        raise BadFile(f"{candid}.avro", f"refused for topic {topic}: {reason}{more}")
    return 0


def archives_of(night: str) -> list[str]:
    """Archives of packets of a night, in order of exposure and channel. Works in the archive."""
    found = Path("sci", NightKey(night).night[:4], night[4:]).glob("*/*_alerts.tar.gz")
    return [str(path) for path in sorted(found, key=lambda path: key_of(path, "alerts"))]


def publish(paths: Sequence[str], night: str, config: Config, folder: Path | None) -> Account:
    """Send what has not been confirmed yet, beginning again as often as the settings say; the accounts of it."""
    stream = config.stream
    options = {} if folder else with_secrets(stream.options, stream.secrets)
    account, fault, pause_s = Account(), "", stream.pause_s
    for once in range(stream.tries):
        if once:
            _say(f"{fault}; trying again in {pause_s:g} s")
            time.sleep(pause_s)
            pause_s *= 2
        try:
            with cluster_or_folder(stream.servers, options, stream.delivery_timeout_s, folder) as sink:
                fault = _one_try(sink, paths, night, config, account)
        except TryAgain as error:
            if "Kafka" not in error.path:
                raise
            fault = error.reason
        if not fault:
            return account
    left = (
        f"{account.left} of {sum(n for t, n in account.there.items() if t)} packets" if account.there else "all packets"
    )
    raise TryAgain(f"Kafka at {stream.servers}", f"{fault}; {left} are left after {stream.tries} tries")


def _one_try(sink: Cluster | Folder, paths: Sequence[str], night: str, config: Config, account: Account) -> str:
    """Send once what is left; why it ended early, or nothing."""
    record = NoRecord() if isinstance(sink, Folder) else SentRecord(sink.identity, night)
    with record as sent:
        account.begin()
        opened = _opened(paths, night, config, sent, account)
        wanted = (account.there - Counter({NOT_STREAMED: account.there[NOT_STREAMED]})).total()
        progress = _Progress(wanted, account)

        def confirmed(addresses: list[tuple[str, int]]) -> None:
            sent.add(addresses)
            account.confirmed.update(topic for topic, _ in addresses)
            account.now.update(topic for topic, _ in addresses)
            progress.tell()

        delivery: Delivery = sink.deliver(_messages(opened, sent), confirmed, config.stream.in_flight_max)
        account.refused = delivery.refused
        for one in opened:
            if all(address in sent for address in one.addresses()):
                sent.finish(one.path, one.state, dict(one.counts()))
    return delivery.fault


def _opened(
    paths: Sequence[str], night: str, config: Config, sent: SentRecord | NoRecord, account: Account
) -> list[Archive]:
    """Archives that have packets to send, or are not known to have none; all are counted."""
    chooser = hashlib.md5(
        (
            config.stream.model_dump_json(include={"topic", "programs", "extra"}) + str(config.alerts.public_programs)
        ).encode(),
        usedforsecurity=False,
    ).hexdigest()
    out = []
    for path in paths:
        try:
            seen = Path(path).stat()
        except FileNotFoundError as error:
            raise BadFile(path, "no such file") from error
        state = f"{seen.st_size} {seen.st_mtime_ns} {chooser}"
        if (topics := sent.finished(path, state)) is not None:
            account.there.update(topics)
            account.confirmed.update({topic: n for topic, n in topics.items() if topic})
            continue
        one = Archive(path, state, {})
        for candid, content in packets.read_archive(path):
            candidate = packets.read_candidate(content)
            one.topics[candid] = topics_of(candidate, night, config.stream, config.alerts.public_programs)
        account.there.update(one.counts())
        account.confirmed.update(topic for topic, candid in one.addresses() if (topic, candid) in sent)
        out.append(one)
    return out


def _messages(opened: Sequence[Archive], sent: SentRecord | NoRecord) -> Iterator[Message]:
    for one in opened:
        if all(address in sent for address in one.addresses()):
            continue
        for candid, content in packets.read_archive(one.path):
            for topic in one.topics.get(candid, ()):
                if (topic, candid) not in sent:
                    yield Message(topic, candid, content)


class _Progress:
    """A line every few seconds."""

    def __init__(self, wanted: int, account: Account) -> None:
        self._wanted, self._account = wanted, account
        self._begun = self._told = time.monotonic()

    def tell(self) -> None:
        now = time.monotonic()
        if now - self._told >= _REPORT_S:
            self._told = now
            rate = self._account.now.total() / (now - self._begun)
            _say(f"{self._account.confirmed.total()} of {self._wanted} packets confirmed, {rate:.0f} a second")


def check_stream(config: Config, folder: Path | None) -> None:
    """Raises BadSettings for what the settings of the stream alone cannot know to be wrong.

    folder: where packets are written instead of being sent.
    """
    if not config.stream.servers and folder is None:
        raise BadSettings("stream", "no servers: say which brokers, HOST:PORT, or --dry-run FOLDER")
    unknown = sorted(columns_of(config.stream) - set(packets.fields_of("candidate")))
    if unknown:
        raise BadSettings("stream", f"{unknown[0]} is no field of a packet's candidate")
    for name, topic in config.stream.extra.items():
        for part in topic.footprint:
            try:
                cap_of(region_of(part))
            except BadKey as error:
                raise BadSettings("stream", f"topic {name}: {error}") from error


def _night_of(path: str) -> str:
    key: QuadrantKey = key_of(path, "alerts")
    return key.night


def _say(text: str) -> None:
    print(f"ztfpipe publish: {text}", file=sys.stderr, flush=True)
