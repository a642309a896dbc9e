"""From the settings to what each part wants to know."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from alicia_scheduler.adapters.actions.mqtt_publish import MqttPublishOptions
from alicia_scheduler.adapters.mqtt import MqttOptions, TlsOptions
from alicia_scheduler.core.editing import CommandRules, topic_not_allowed
from alicia_scheduler.core.model.fields import topic_problem
from alicia_scheduler.core.model.instructions import Block
from alicia_scheduler.engine.destinations import DestinationBlocks
from alicia_scheduler.engine.housekeeping import HistoryLimits
from alicia_scheduler.settings import Settings
from alicia_scheduler.wire.alicia import HEALTH_CHECK_TOPIC
from alicia_scheduler.wire.messages import availability
from alicia_scheduler.wire.topics import Topics


def mqtt_options(settings: Settings, topics: Topics, *, mqtt_v311: bool) -> MqttOptions:
    """The connection as the settings describe it."""
    mqtt = settings.mqtt
    filters = topics.subscriptions(legacy=mqtt.legacy_commands)
    health = (HEALTH_CHECK_TOPIC,) if settings.alicia.enabled else ()
    ca_file, cert_file, key_file = (
        str(file) if file else None for file in (mqtt.tls.ca_file, mqtt.tls.cert_file, mqtt.tls.key_file)
    )
    tls = TlsOptions(ca_file, cert_file, key_file, insecure=mqtt.tls.insecure)
    return MqttOptions(
        hosts=mqtt.addresses,
        client_id=mqtt.client_id,
        username=mqtt.username,
        password=mqtt.password.get_secret_value() if mqtt.password else None,
        tls=tls if mqtt.tls.enabled else None,
        protocol="3.1.1" if mqtt_v311 and mqtt.protocol == "auto" else mqtt.protocol,
        keepalive_s=round(mqtt.keepalive.total_seconds()),
        session_expiry_s=round(mqtt.session_expiry.total_seconds()),
        will=availability(False, topics),
        subscriptions=tuple((name, 1) for name in (*filters, *health)),
        inbox_size=mqtt.inbox_size,
        publish_window=mqtt.publish_window,
    )


def command_rules(settings: Settings, topics: Topics) -> CommandRules:
    """What commands may do."""
    allowed = settings.actions.mqtt_publish.allow_topics
    return CommandRules(
        defaults=settings.event_defaults(),
        allow_past=settings.scheduler.allow_past_events,
        max_events=settings.scheduler.max_events,
        command_prefix=topics.command,
        allow_topics=None if allowed is None else tuple(allowed),
        thrown=settings.throw_rules(),
    )


def destination_blocks(settings: Settings) -> dict[str, DestinationBlocks]:
    """What destinations do at the start and at the end."""
    return {
        dest_id: DestinationBlocks(_written(found.initial_actions), _written(found.final_actions))
        for dest_id, found in settings.events.destinations.items()
    }


def _written(block: Block | None) -> list[Any]:
    return [instruction.model_dump(mode="json") for instruction in block or ()]


def publish_options(settings: Settings, rules: CommandRules) -> MqttPublishOptions:
    """What ``mqtt_publish`` may do."""
    return MqttPublishOptions(
        merge_prefixes=tuple(settings.actions.mqtt_publish.merge_prefixes),
        refused=lambda topic: topic_problem(topic) or topic_not_allowed(topic, rules),
    )


def history_limits(settings: Settings) -> HistoryLimits:
    """What housekeeping keeps."""
    scheduler = settings.scheduler
    return HistoryLimits(
        age=timedelta(days=scheduler.retention_days),
        per_event=scheduler.max_history_per_event,
        requests_age=timedelta(hours=scheduler.request_retention_hours),
        thrown_age=settings.events.retention,
        thrown_kept=settings.events.max_history,
        interval=timedelta(hours=scheduler.cleanup_interval_hours) if scheduler.auto_cleanup_enabled else None,
    )
