"""The pure parts of the adapter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client, topic_matches_sub
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from alicia_scheduler.adapters.mqtt import MqttBus, MqttOptions
from alicia_scheduler.adapters.mqtt.acks import AckWindow
from alicia_scheduler.adapters.mqtt.echoes import OwnEchoes
from alicia_scheduler.adapters.mqtt.encoding import publish_packet
from alicia_scheduler.adapters.mqtt.paho_client import new_properties
from alicia_scheduler.adapters.mqtt.reasons import reason_in_words
from alicia_scheduler.adapters.mqtt.validity import filter_problem, message_problem, topic_problem
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.ports import Bus

texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), max_size=200)
messages = st.builds(
    OutgoingMessage,
    topic=texts,
    payload=st.binary(max_size=300),
    qos=st.integers(0, 2),
    retain=st.booleans(),
    expiry_s=st.none() | st.integers(0, 0xFFFF_FFFF),
    response_topic=st.none() | texts,
    correlation_data=st.none() | st.binary(max_size=300),
    user_properties=st.lists(st.tuples(texts, texts), max_size=4).map(tuple),
)


@given(messages, st.booleans(), st.integers(1, 65_535))
def test_an_encoded_publish_is_that_of_the_library_byte_for_byte(
    message: OutgoingMessage, v5: bool, packet_id: int
) -> None:
    protocol = MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311
    library = Client(CallbackAPIVersion.VERSION2, protocol=protocol)
    sent: list[bytes] = []
    library._sock = object()  # type: ignore[assignment]  # it is only asked whether there is one
    library._packet_queue = lambda command, packet, *_: sent.append(bytes(packet))  # type: ignore[method-assign, assignment]
    library._send_publish(
        packet_id, message.topic.encode(), message.payload, message.qos, message.retain, properties=_properties(message)
    )
    library._sock = None
    ours = publish_packet(message, packet_id, v5=v5)
    assert len(ours) == len(sent[0])
    assert ours == sent[0] or _differ_only_in_the_order_of_properties(ours, sent[0], message)


def _properties(message: OutgoingMessage) -> Properties:
    properties = new_properties(PacketTypes.PUBLISH)
    if message.expiry_s is not None:
        properties.MessageExpiryInterval = message.expiry_s
    if message.response_topic is not None:
        properties.ResponseTopic = message.response_topic
    if message.correlation_data is not None:
        properties.CorrelationData = message.correlation_data
    if message.user_properties:
        properties.UserProperty = list(message.user_properties)
    return properties


def _differ_only_in_the_order_of_properties(ours: bytes, theirs: bytes, message: OutgoingMessage) -> bool:
    packed = _properties(message).pack()  # type: ignore[no-untyped-call]  # paho leaves these without types
    start = theirs.index(packed)
    end = start + len(packed)
    same = ours[:start] == theirs[:start] and ours[end:] == theirs[end:]
    return same and _decoded(ours[start:end]) == _decoded(packed)


def _decoded(encoded: bytes) -> object:
    properties = new_properties(PacketTypes.PUBLISH)
    properties.unpack(encoded)  # type: ignore[no-untyped-call]
    return properties.json()  # type: ignore[no-untyped-call]


@given(st.permutations(range(8)), st.integers(0, 8))
def test_acknowledgements_go_out_in_order_of_arrival_as_soon_as_they_can(order: list[int], count: int) -> None:
    sent: list[int] = []
    window = AckWindow(lambda packet_id, _qos: sent.append(packet_id))
    deliveries = [window.received(packet_id, 1) for packet_id in range(8)]
    done = set()
    for index in order[:count]:
        window.acknowledge(deliveries[index])
        window.acknowledge(deliveries[index])
        done.add(index)
        finished = next((packet_id for packet_id in range(8) if packet_id not in done), 8)
        assert sent == list(range(finished))
    window.close()
    before = list(sent)
    for delivery in deliveries:
        window.acknowledge(delivery)
    assert sent == before


def test_each_expected_echo_is_taken_once() -> None:
    echoes = OwnEchoes()
    echoes.expect("t", b"x", 0)
    echoes.expect("t", b"x", 1)
    assert [echoes.take("t", b"x", 2) for _ in range(3)] == [True, True, False]
    assert not echoes.take("t", b"y", 2)
    assert not echoes.take("u", b"x", 2)


def test_an_echo_that_never_came_does_not_hide_the_message_of_another_for_ever() -> None:
    echoes = OwnEchoes(lifetime_s=60)
    echoes.expect("t", b"lost", 0)
    assert not echoes.take("t", b"lost", 61)


def test_expected_echoes_are_bounded_and_the_oldest_go_first() -> None:
    echoes = OwnEchoes(limit=3)
    for number in range(5):
        echoes.expect("t", bytes([number]), number)
    assert [echoes.take("t", bytes([number]), 5) for number in range(5)] == [False, False, True, True, True]


@given(st.lists(st.sampled_from(["a", "", "ä", "+", "#", "a+", "#a"]), min_size=1, max_size=4).map("/".join))
def test_what_can_be_published_to_can_be_subscribed_to_and_matches_itself(topic: str) -> None:
    if topic_problem(topic) is None:
        assert filter_problem(topic) is None
        assert topic_matches_sub(topic, topic)
    else:
        assert topic == "" or "+" in topic or "#" in topic


@given(st.text(max_size=30))
def test_a_message_that_is_found_good_can_be_encoded(text: str) -> None:
    message = OutgoingMessage("t", b"", response_topic=text, user_properties=((text, text),))
    if message_problem(message) is None:
        assert publish_packet(message, 1, v5=True)


def test_a_code_without_words_is_still_a_reason() -> None:
    assert reason_in_words(0xFE) == "refused (0xfe)"


def test_it_is_a_bus_of_the_ports() -> None:
    bus: Bus = MqttBus(MqttOptions())
    assert not bus.connection.connected
