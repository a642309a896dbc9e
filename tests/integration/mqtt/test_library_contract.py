"""What the bus relies on inside aiomqtt and paho: a new version that changes it must fail here, not in a home."""

from __future__ import annotations

import ast
import inspect
from collections import deque
from pathlib import Path

import aiomqtt
import paho.mqtt.client as paho
import pytest

import alicia_scheduler.adapters.mqtt as adapter
from alicia_scheduler.adapters.mqtt.joining import Joining
from alicia_scheduler.adapters.mqtt.link import Link
from alicia_scheduler.adapters.mqtt.loop_client import LinkTarget, LoopClient
from alicia_scheduler.adapters.mqtt.paho_client import PahoClient
from tests.integration.mqtt.running_bus import options
from tests.mosquitto_process import Mosquitto

ADAPTER = Path(inspect.getfile(adapter)).parent


def parameters(function: object) -> list[str]:
    assert callable(function)
    return list(inspect.signature(function).parameters)


def names_used(module: str, root: str) -> set[str]:
    """The private attributes of ``root`` (``self`` or ``paho``) that a module of the adapter reads."""
    tree = ast.parse((ADAPTER / module).read_text(encoding="utf-8"))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and ast.unparse(node.value) == root
    }


@pytest.fixture
async def link(broker: Mosquitto) -> Link:
    target = LinkTarget(broker.host, broker.port, v5=True, context=None)
    return Link(options(broker), target, lambda _link, _message: None)


async def test_every_private_name_that_is_used_is_known_here(link: Link) -> None:
    ours = {name for name in vars(Link) | vars(LoopClient) if name.startswith("_")}
    own_state = {"_options", "_receive", "_paused", "_writer_added", "_timer", "_loop_thread", "_paho", "_outgoing"}
    inherited = (names_used("link.py", "self") | names_used("loop_client.py", "self")) - ours - own_state
    assert inherited == {"__aenter__", "_client", "_connected", "_loop", "_pending_subscribes"}
    own_state = {"_block", "_position", "_may_receive", "_answered", "_joining", "_join", "_take_answers"}
    assert names_used("paho_client.py", "self") - own_state == {
        "_call_socket_register_write",
        "_connect_timeout",
        "_host",
        "_in_packet",
        "_last_mid",
        "_mid_generate",
        "_out_packet",
        "_ping_t",
        "_send_pubrel",
        "_sock",
        "_sock_close",
        "_ssl_context",
    }


async def test_aiomqtt_has_what_the_link_takes_from_it(link: Link) -> None:
    plain = aiomqtt.Client("127.0.0.1")
    assert parameters(aiomqtt.Client.__aenter__) == ["self"]
    assert type(plain._client) is paho.Client
    assert not plain._connected.done()
    assert plain._pending_subscribes == {}
    assert parameters(aiomqtt.Client._client_connect) == ["self"]
    callbacks = (
        "socket_open",
        "socket_close",
        "socket_register_write",
        "socket_unregister_write",
        "connect",
        "disconnect",
    )
    for callback in (*callbacks, "message", "unsubscribe"):
        # aiomqtt hands its own methods to paho under these names, so overriding them is enough.
        assert getattr(link._client, f"on_{callback}") == getattr(link, f"_on_{callback}")
        assert parameters(getattr(Link, f"_on_{callback}")) == parameters(getattr(aiomqtt.Client, f"_on_{callback}"))


async def test_paho_has_what_the_client_takes_from_it(link: Link) -> None:
    client = link._client
    assert type(client) is PahoClient
    assert client._manual_ack is True
    assert isinstance(client._out_packet, deque)
    assert (client._last_mid, client._ping_t) == (0, 0.0)
    assert {"command", "packet"} <= client._in_packet.keys()


async def test_an_entry_of_pahos_queue_is_what_joined_messages_look_like(link: Link) -> None:
    client = link._client
    client._packet_queue(0x30, b"abc", 0, 0)
    theirs = client._out_packet.popleft()
    joining = Joining()
    joining.add(b"a")
    joining.add(b"bc")
    ours = joining.joined()
    assert theirs == {**ours, "command": 0x30}
    assert not joining.is_written()
    ours["to_process"] = 0
    assert joining.is_written()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("_sock_recv", ["self", "bufsize"]),
        ("_sock_close", ["self"]),
        ("_ssl_wrap_socket", ["self", "tcp_sock"]),
        ("_handle_pubrec", ["self"]),
        ("_handle_pubackcomp", ["self", "cmd"]),
        ("loop_read", ["self", "max_packets"]),
        ("loop_write", ["self"]),
        ("want_write", ["self"]),
        ("_packet_queue", ["self", "command", "packet", "mid", "qos", "info"]),
        ("_call_socket_register_write", ["self"]),
        ("_mid_generate", ["self"]),
        ("_send_pubrel", ["self", "mid"]),
        ("ack", ["self", "mid", "qos"]),
    ],
)
def test_the_methods_of_paho_that_are_replaced_or_called_keep_their_shape(name: str, expected: list[str]) -> None:
    assert parameters(getattr(paho.Client, name)) == expected


def test_paho_reads_through_sock_recv_and_answers_through_the_replaced_methods() -> None:
    reading = inspect.getsource(paho.Client._packet_read)
    assert "self._sock_recv(" in reading
    assert "self._sock.recv" not in reading
    handling = inspect.getsource(paho.Client._packet_handle)
    assert 'self._handle_pubackcomp("PUBACK")' in handling
    assert 'self._handle_pubackcomp("PUBCOMP")' in handling
    assert "self._handle_pubrec()" in handling
    assert "properties.pack()" in inspect.getsource(paho.Client._send_publish)


def test_paho_does_not_acknowledge_by_itself_with_manual_ack() -> None:
    assert "if self._manual_ack:" in inspect.getsource(paho.Client._handle_publish)
