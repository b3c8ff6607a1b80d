"""Settings of the stream: the brokers that packets go to, and which packets go where.

They govern no product, so that a changed broker makes nothing again: `ztfpipe publish` reads them from config.yaml.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from ztfpipe.config.base import Positive, Section

RightAscension = Annotated[float, Field(ge=0, le=360)]
Declination = Annotated[float, Field(ge=-90, le=90)]
_SECRET = re.compile(r"password|secret|token|jaas|key\.pem|basic\.auth|credentials", re.IGNORECASE)
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
"""What Kafka allows as the name of a topic."""
_OURS = {"bootstrap.servers", "enable.idempotence", "acks", "message.timeout.ms", "delivery.timeout.ms"}


class Cone(Section):
    """A circle on the sky."""

    ra_deg: RightAscension
    dec_deg: Declination
    radius_deg: Annotated[float, Field(gt=0, le=180)]


class Polygon(Section):
    """A polygon on the sky with great circles as sides, no corner farther than 80 degrees from their mean."""

    corners_deg: Annotated[tuple[tuple[RightAscension, Declination], ...], Field(min_length=3)]
    """Right ascension and declination, in order around it."""


class Cut(Section):
    """A condition on a field of the candidate; a candidate without a value there does not meet it."""

    column: str
    at_least: float | None = None
    at_most: float | None = None
    equals: str | float | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Cut:
        if self.at_least is None and self.at_most is None and self.equals is None:
            raise ValueError("a cut needs at_least, at_most or equals")
        return self


class ExtraTopic(Section):
    """A topic with a choice of the public packets: those that meet all cuts, within any part of the footprint."""

    cuts: tuple[Cut, ...] = ()
    footprint: tuple[Cone | Polygon, ...] = ()
    """Where on the sky; empty: everywhere."""


class Stream(Section):
    """The stream of packets: brokers, topics, patience."""

    servers: str = ""
    """Brokers to ask first, HOST:PORT with commas between (librdkafka's bootstrap.servers)."""
    options: dict[str, str | int | float | bool] = {}
    """Further options of librdkafka, by its own names; nothing secret."""
    secrets: dict[str, str] = {}
    """Options that are secret, each with the environment variable that holds it."""
    topic: str = "ztf_{night}_programid{program}"
    """Topic of a program's packets of a night."""
    programs: tuple[Annotated[int, Field(ge=0, le=9)], ...] = (1, 2, 3)
    """Programs whose packets are sent, each to its own topic; 0 is engineering."""
    extra: dict[str, ExtraTopic] = {}
    """Further topics by name, in which {night} may stand. Packets of programs that are not public never go there."""
    delivery_timeout_s: Annotated[float, Field(ge=1)] = 30.0
    """A packet that no broker has confirmed after this long [s] counts as not delivered in this try."""
    tries: Annotated[int, Field(ge=1)] = 4
    """How often sending is begun before giving up."""
    pause_s: Positive = 5.0
    """Pause after the first try [s]; it doubles after each."""
    in_flight_max: Annotated[int, Field(ge=1)] = 500
    """Packets that wait for confirmation at any time: memory of 0.1 MB each."""

    @field_validator("options")
    @classmethod
    def _nothing_secret(cls, options: dict[str, str | int | float | bool]) -> dict[str, str | int | float | bool]:
        for name in options:
            if _SECRET.search(name):
                raise ValueError(f"{name} is secret: name the environment variable that holds it below secrets")
            if name in _OURS:
                raise ValueError(f"{name} is not free to choose: delivery must be confirmed, and servers have a key")
        return options

    @model_validator(mode="after")
    def _topics_are_names(self) -> Stream:
        for pattern in (self.topic, *self.extra):
            try:
                name = pattern.format(night="20180410", program=1)
            except (KeyError, IndexError, ValueError) as error:
                raise ValueError(f"topic {pattern!r}: only {{night}} and {{program}} may stand in it") from error
            if not _TOPIC.fullmatch(name) or name in (".", ".."):
                raise ValueError(f"topic {pattern!r}: letters, digits, dots, dashes and underscores only")
        if "{program}" not in self.topic:
            raise ValueError("topic: {program} must stand in it, so that programs do not share a topic")
        own = {self.topic.format(night="20180410", program=one) for one in range(10)}
        if own & {pattern.format(night="20180410", program=1) for pattern in self.extra}:
            raise ValueError("extra: the topic of a program is no extra topic")
        return self
