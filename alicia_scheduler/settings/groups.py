"""Every setting: its group, name, type, default, range and meaning. `docs/settings.md` is made from this file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr

from alicia_scheduler.core.model.durations import Duration
from alicia_scheduler.core.model.event import CatchUp, EventDefaults
from alicia_scheduler.core.model.fields import Identifier
from alicia_scheduler.core.model.instructions import InstructionsBlock
from alicia_scheduler.core.thrown.rules import QueuePolicy, ThrowRules
from alicia_scheduler.settings.field_types import (
    Addresses,
    FilePath,
    Group,
    Host,
    PlainText,
    Protocol,
    Secret,
    StoreUrl,
    Texts,
    TopicPrefix,
    ZoneName,
    duration,
    split_address,
)

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
YEAR = timedelta(days=366)


class TlsSettings(Group):
    """Encryption of the connection to the broker."""

    enabled: bool = Field(False, description="Encrypt the connection and verify the broker's certificate.")
    ca_file: FilePath | None = Field(
        None, description="PEM file of the authorities to trust; left out, those of the system."
    )
    cert_file: FilePath | None = Field(
        None, description="PEM file of the client certificate, where the broker asks for one."
    )
    key_file: FilePath | None = Field(None, description="PEM file of the client certificate's key.")
    insecure: bool = Field(
        False,
        description="Accept a connection that others could read or forge: the broker's certificate is not "
        "verified, and a password sent without encryption is not warned about.",
    )


class MqttSettings(Group):
    """The connection to the broker."""

    host: Host = Field("127.0.0.1", description="Name or address of the broker.")
    port: int = Field(1883, ge=1, le=65535, description="Port of the broker; usually 8883 with TLS.")
    hosts: Addresses = Field(
        (),
        max_length=16,
        description="Instead of `host`: several `host:port` of one broker or cluster, tried in order.",
    )
    username: Annotated[str, Field(min_length=1, max_length=65_535)] | None = Field(
        None, description="User name for the broker."
    )
    password: Secret | None = Field(None, description="Password for the broker; better given as a file.")
    password_file: FilePath | None = Field(None, description="File that holds the password.")
    client_id: PlainText = Field(
        "event_scheduler",
        min_length=1,
        max_length=256,
        description="Name of the session on the broker. Keep it stable: under it the broker keeps what arrives "
        "while the service is down. Two services must not share one.",
    )
    topic_prefix: TopicPrefix = Field("alicia/scheduler", description="Where the service's own topics begin.")
    protocol: Protocol = Field(
        "auto", description="MQTT version; `auto` tries 5 and falls back to 3.1.1 with a warning."
    )
    keepalive: Annotated[Duration, duration(5 * SECOND, timedelta(seconds=65_535))] = Field(
        timedelta(seconds=15),
        description="After this long without traffic the connection is probed; one and a half times as long "
        "without an answer ends it.",
    )
    session_expiry: Annotated[Duration, duration(timedelta(0), YEAR)] = Field(
        timedelta(days=7), description="How long the broker keeps the session while the service is away."
    )
    legacy_commands: bool = Field(
        True, description="Also take commands on any other topic below the prefix, as Alicia's first scheduler did."
    )
    envelope: Literal["none", "alicia"] = Field(
        "none", description="Shape of outgoing messages: bare, or wrapped in Alicia's envelope."
    )
    tls: TlsSettings = Field(TlsSettings(), description="Encryption of the connection.")
    publish_window: int = Field(
        50, ge=1, le=1000, description="Publishes that may wait for their acknowledgement at once."
    )
    inbox_size: int = Field(
        1000,
        ge=10,
        le=100_000,
        description="Received messages that may wait; beyond it reading pauses and the broker queues.",
    )
    max_payload: int = Field(64 * 1024, ge=1024, le=16 * 1024 * 1024, description="Largest accepted message, in bytes.")
    status_interval: Annotated[Duration, duration(SECOND, DAY)] = Field(
        timedelta(seconds=60), description="How often `status` is published."
    )

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Host and port of every address to try, in order."""
        return tuple(split_address(text, self.port) for text in self.hosts) or ((self.host, self.port),)


class StoreSettings(Group):
    """Where the events are kept."""

    url: StoreUrl = Field(
        "sqlite:///data/scheduler.db",
        description="`sqlite:///relative.db` (below the working directory) or `sqlite:////absolute.db`.",
    )

    @property
    def path(self) -> Path:
        """The database file; relative to the working directory unless the URL has four slashes."""
        return Path(self.url.removeprefix("sqlite:///"))


class SchedulerSettings(Group):
    """When and how executions are planned and run; defaults for events that leave a field out."""

    check_interval: Annotated[Duration, duration(timedelta(milliseconds=100), timedelta(seconds=60))] = Field(
        SECOND,
        description="How often the clock is compared with what was expected, so that a step of it is noticed. "
        "Fires do not wait for it: the planner wakes at the next due time.",
    )
    max_concurrent_executions: int = Field(
        10, ge=1, le=1000, description="Executions that run at once; further ones wait, none is dropped."
    )
    execution_timeout: Annotated[Duration, duration(timedelta(milliseconds=100), timedelta(days=7))] = Field(
        timedelta(seconds=300), description="Default `timeout` of an event."
    )
    retry_failed_events: bool = Field(True, description="If false, the default `max_retries` of an event is 0.")
    max_retry_attempts: int = Field(3, ge=0, le=1000, description="Default `max_retries` of an event.")
    retry_delay: Annotated[Duration, duration(timedelta(0), YEAR)] = Field(
        timedelta(seconds=60),
        description="Default `retry_delay` of an event: the wait before the first retry. (The first module "
        "documentation said 300 s in one place and 60 s in another; the time rules say 60 s.)",
    )
    retention_days: int = Field(30, ge=1, le=3650, description="Days for which ended executions are kept.")
    max_history_per_event: int = Field(
        1000, ge=1, le=1_000_000, description="Ended executions kept per event, the newest."
    )
    auto_cleanup_enabled: bool = Field(True, description="Remove old executions by itself.")
    cleanup_interval_hours: float = Field(
        24, ge=0.01, le=8760, allow_inf_nan=False, description="Hours between clean-ups."
    )
    allow_past_events: bool = Field(
        False,
        description="Accept a `once` event whose time has passed; the catch-up rules then decide whether it runs.",
    )
    trace_enabled_by_default: bool = Field(True, description="Default `trace_enabled` of an event.")
    timezone: ZoneName = Field("UTC", description="Default `timezone` of an event, an IANA name.")
    misfire_grace: Annotated[Duration, duration(timedelta(0), YEAR)] = Field(
        timedelta(seconds=60),
        description="Default `misfire_grace` of an event: how late a fire still counts as on time.",
    )
    catch_up: CatchUp = Field("last", description="Default `catch_up` of an event: which missed fires run after all.")
    catch_up_window: Annotated[Duration, duration(timedelta(0), YEAR)] | None = Field(
        None,
        description="Default `catch_up_window` of an event. Left out: one hour, and for intervals the interval "
        "itself within one minute and one hour.",
    )
    max_events: int = Field(1_000_000, ge=1, le=100_000_000, description="Events that may be stored.")
    events_dir: FilePath = Field(
        Path("events"), description="Directory of the declared events (`*.yaml`, `*.yml`), beside the settings file."
    )
    min_interval: Annotated[Duration, duration(SECOND, YEAR)] = Field(
        SECOND, description="Shortest interval an event may have."
    )
    request_retention_hours: int = Field(
        24, ge=1, le=8760, description="Hours for which answers are kept, so that a repeated request changes nothing."
    )
    shutdown_grace: Annotated[Duration, duration(timedelta(0), timedelta(minutes=10))] = Field(
        timedelta(seconds=25), description="How long a stop waits for running executions."
    )


class HttpSettings(Group):
    """The web page and the HTTP interface."""

    enabled: bool = Field(True, description="Serve the page and the interface.")
    host: Host = Field(
        "127.0.0.1", description="Address to listen on; any other than this machine's own needs a token."
    )
    port: int = Field(8025, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    token: Secret | None = Field(None, description="Bearer token that every request must show; better given as a file.")
    token_file: FilePath | None = Field(None, description="File that holds the token.")


class MqttPublishSettings(Group):
    """Limits of the action `mqtt_publish`."""

    merge_prefixes: Texts = Field(
        ("alicia/",),
        max_length=100,
        description="Topics that begin with one of these get the execution's data merged into an object message "
        "(`metadata: auto`); elsewhere it travels as user properties.",
    )
    allow_topics: Texts | None = Field(
        None,
        max_length=1000,
        description="Topics that events may publish to begin with one of these. Left out: any topic.",
    )


class ActionsSettings(Group):
    """What actions may do."""

    mqtt_publish: MqttPublishSettings = Field(MqttPublishSettings(), description="Limits of the action `mqtt_publish`.")


class DestinationSettings(Group):
    """What a destination does when the service starts, and before it stops in order."""

    initial_actions: InstructionsBlock | None = None
    final_actions: InstructionsBlock | None = None


class EventsSettings(Group):
    """Thrown events: their destinations, queues and limits."""

    default_ttl: Annotated[Duration, duration(timedelta(milliseconds=1), YEAR)] = Field(
        timedelta(seconds=60), description="How long a thrown event without `ttl` stays active."
    )
    groups: dict[Identifier, tuple[Identifier, ...]] = Field(
        {}, max_length=1000, description="Destinations by group: an event thrown to the group goes to each of them."
    )
    destinations: dict[Identifier, DestinationSettings] = Field(
        {},
        max_length=1000,
        description="By destination: `initial_actions` and `final_actions`, instructions that run once at every start "
        "and once at every orderly stop.",
    )
    max_hops: int = Field(
        16, ge=1, le=1000, description="How long a chain of events may be that throw each other before it is stopped."
    )
    max_payload_bytes: int = Field(
        32 * 1024, ge=256, le=16 * 1024 * 1024, description="Largest `payload` and `value` together, as JSON."
    )
    queue_limit: int = Field(
        10_000, ge=1, le=1_000_000, description="Thrown events that may be active in one destination."
    )
    queue_policy: QueuePolicy = Field(
        "refuse", description="What becomes of one more: it is refused, or the oldest is dropped into the history."
    )
    max_fan_out: int = Field(1000, ge=1, le=10_000, description="Destinations that one thrown event may go to.")
    rate_per_sender: float = Field(
        5000,
        ge=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="Events a second that one sender may throw, twice as many in a burst; 0 is no limit.",
    )
    rate_per_key: float = Field(
        5000,
        ge=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="The same for each key, and for the messages on each topic filter that triggers listen to.",
    )
    retention: Annotated[Duration, duration(SECOND, timedelta(days=3650))] = Field(
        timedelta(days=7), description="How long thrown events that are over are kept for reading."
    )
    max_history: int = Field(
        100_000, ge=100, le=10_000_000, description="Thrown events kept in all; older ones go once they are over."
    )


class PublishSettings(Group):
    """What the service tells the bus beside results, failures and errors."""

    lifecycle_events: bool = Field(True, description="Publish every lifecycle event on `events` and on its own topic.")
    state_topics: bool = Field(True, description="Keep a retained `state/<event_id>` per event.")


class AliciaSettings(Group):
    """Citizenship of the Alicia bus."""

    enabled: bool = Field(True, description="Register with Alicia's service discovery and answer its health checks.")


class LoggingSettings(Group):
    """What the service writes about itself."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe level that is written."
    )
    format: Literal["auto", "console", "json"] = Field(
        "auto", description="`console` for people, `json` for programs; `auto` is `console` on a terminal."
    )


class Settings(Group):
    """All settings of one process; they do not change while it lives."""

    mqtt: MqttSettings = Field(MqttSettings(), description="The connection to the broker.")
    store: StoreSettings = Field(StoreSettings(), description="Where the events are kept.")
    scheduler: SchedulerSettings = Field(
        SchedulerSettings(), description="Planning and running, and defaults for events that leave a field out."
    )
    http: HttpSettings = Field(HttpSettings(), description="The web page and the HTTP interface.")
    actions: ActionsSettings = Field(ActionsSettings(), description="What actions may do.")
    events: EventsSettings = Field(
        EventsSettings(), description="Thrown events: their destinations, queues and limits."
    )
    publish: PublishSettings = Field(
        PublishSettings(), description="What the service tells the bus beside results, failures and errors."
    )
    alicia: AliciaSettings = Field(AliciaSettings(), description="Citizenship of the Alicia bus.")
    logging: LoggingSettings = Field(LoggingSettings(), description="What the service writes about itself.")

    _file: Path | None = PrivateAttr(None)
    _warnings: tuple[str, ...] = PrivateAttr(())

    @property
    def file(self) -> Path | None:
        """The settings file that was read, if there was one."""
        return self._file

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed but not wise, in words for the operator; to be logged at the start."""
        return self._warnings

    def event_defaults(self) -> EventDefaults:
        """What an event gets for the fields that it leaves out."""
        scheduler = self.scheduler
        return EventDefaults(
            timezone=scheduler.timezone,
            misfire_grace=scheduler.misfire_grace,
            catch_up=scheduler.catch_up,
            catch_up_window=scheduler.catch_up_window,
            max_retries=scheduler.max_retry_attempts if scheduler.retry_failed_events else 0,
            retry_delay=scheduler.retry_delay,
            timeout=scheduler.execution_timeout,
            trace_enabled=scheduler.trace_enabled_by_default,
            min_interval=scheduler.min_interval,
        )

    def throw_rules(self) -> ThrowRules:
        """What is allowed of thrown events."""
        events = self.events
        names = {name for name in ThrowRules.__slots__ if name in EventsSettings.model_fields}
        return ThrowRules(timezone=self.scheduler.timezone, **{name: getattr(events, name) for name in names})

    def with_origin(self, file: Path | None, warnings: tuple[str, ...]) -> Settings:
        """The same settings, with where they came from."""
        copy = self.model_copy()
        copy._file = file  # noqa: SLF001 - a copy of our own class
        copy._warnings = warnings  # noqa: SLF001
        return copy
