"""Between the library's packets and the messages of the ports."""

from __future__ import annotations

from dataclasses import dataclass

from aiomqtt import Will
from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from alicia_scheduler.adapters.mqtt.acks import Delivery
from alicia_scheduler.adapters.mqtt.options import MqttOptions
from alicia_scheduler.adapters.mqtt.paho_client import new_properties
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.ports import IncomingMessage


@dataclass(frozen=True, slots=True)
class BrokerLimits:
    """What the broker said of itself when it accepted the connection; the defaults are those of MQTT 5."""

    receive_maximum: int = 65_535
    maximum_packet_size: int = 268_435_455
    maximum_qos: int = 2
    retain_available: bool = True
    subscription_identifiers: bool = True


def broker_limits(properties: Properties | None) -> BrokerLimits:
    """The limits in the properties of a CONNACK."""
    usual = BrokerLimits()
    return BrokerLimits(
        receive_maximum=getattr(properties, "ReceiveMaximum", usual.receive_maximum),
        maximum_packet_size=getattr(properties, "MaximumPacketSize", usual.maximum_packet_size),
        maximum_qos=getattr(properties, "MaximumQoS", usual.maximum_qos),
        retain_available=bool(getattr(properties, "RetainAvailable", 1)),
        subscription_identifiers=bool(getattr(properties, "SubscriptionIdentifierAvailable", 1)),
    )


def connect_properties(options: MqttOptions) -> Properties:
    """The properties of the CONNECT packet."""
    properties = new_properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = options.session_expiry_s
    properties.ReceiveMaximum = options.receive_maximum
    return properties


def subscribe_properties(identifier: int) -> Properties:
    """The properties of a SUBSCRIBE packet."""
    properties = new_properties(PacketTypes.SUBSCRIBE)
    properties.SubscriptionIdentifier = identifier
    return properties


def will(message: OutgoingMessage | None, v5: bool) -> Will | None:
    """The message as a will."""
    if message is None:
        return None
    properties = _will_properties(message) if v5 else None
    return Will(message.topic, message.payload, message.qos, message.retain, properties)


def _will_properties(message: OutgoingMessage) -> Properties:
    properties = new_properties(PacketTypes.WILLMESSAGE)
    if message.expiry_s is not None:
        properties.MessageExpiryInterval = message.expiry_s
    if message.response_topic is not None:
        properties.ResponseTopic = message.response_topic
    if message.correlation_data is not None:
        properties.CorrelationData = message.correlation_data
    if message.user_properties:
        properties.UserProperty = list(message.user_properties)
    return properties


def subscription_identifiers(message: MQTTMessage) -> tuple[int, ...]:
    """For which subscriptions the broker sent the message; empty when it does not say."""
    return tuple(getattr(message.properties, "SubscriptionIdentifier", ()))


def incoming_message(message: MQTTMessage, delivery: Delivery | None) -> IncomingMessage:
    """The received packet as the ports know it."""
    properties = message.properties
    return IncomingMessage(
        topic=message.topic,
        payload=bytes(message.payload),
        qos=message.qos,
        retain=message.retain,
        duplicate=message.dup,
        response_topic=getattr(properties, "ResponseTopic", None),
        correlation_data=getattr(properties, "CorrelationData", None),
        user_properties=tuple((name, value) for name, value in getattr(properties, "UserProperty", ())),
        delivery=delivery,
    )
