"""One TCP connection to a broker, driven by the event loop: greeting, reading, writing, pinging, its end.

Everything that depends on the inside of aiomqtt and paho is in this module, ``link`` and ``paho_client``;
``tests/integration/mqtt/test_library_contract.py`` fails when that inside changes.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import math
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import Any, cast

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from alicia_scheduler.adapters.mqtt.options import MqttOptions
from alicia_scheduler.adapters.mqtt.packets import BrokerLimits, broker_limits, connect_properties, will
from alicia_scheduler.adapters.mqtt.paho_client import PahoClient
from alicia_scheduler.adapters.mqtt.reasons import KEEP_ALIVE_TIMEOUT, SESSION_TAKEN_OVER, reason_in_words


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a connection ended."""

    problem: str
    taken_over: bool = False


class ConnectRefused(Exception):
    """The broker answered the CONNECT with a reason code, or with none and closed."""

    def __init__(self, problem: str, code: int | None = None) -> None:
        super().__init__(problem)
        self.code = code


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """Where one connection goes and how it speaks."""

    host: str
    port: int
    v5: bool
    context: ssl.SSLContext | None
    first_packet_id: int = 0


class LoopClient(aiomqtt.Client, abc.ABC):
    """An aiomqtt client with a way to pause its reading, and an end that everybody who waits hears of at once."""

    def __init__(self, options: MqttOptions, target: LinkTarget) -> None:
        super().__init__(
            target.host,
            target.port,
            username=options.username,
            password=options.password,
            identifier=options.client_id,
            protocol=aiomqtt.ProtocolVersion.V5 if target.v5 else aiomqtt.ProtocolVersion.V311,
            will=will(options.will, target.v5),
            clean_session=None if target.v5 else False,
            clean_start=False if target.v5 else MQTT_CLEAN_START_FIRST_ONLY,
            # All waiting is bounded from outside by asyncio.timeout; wait_for can swallow a cancellation.
            timeout=math.inf,
            keepalive=options.keepalive_s,
            properties=connect_properties(options) if target.v5 else None,
            tls_context=target.context,
            socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
        )
        self.target = target
        self.session_present = False
        self.limits = BrokerLimits()
        self.ended: asyncio.Future[Ending] = self._loop.create_future()
        self._paused = False
        self._writer_added = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop_thread = threading.get_ident()
        self._paho = self._prepared_paho(options, target)

    def _prepared_paho(self, options: MqttOptions, target: LinkTarget) -> PahoClient:
        self._client.__class__ = PahoClient
        paho = cast("PahoClient", self._client)
        # Before the connect: what a kept session holds arrives together with the CONNACK.
        paho.manual_ack_set(True)
        paho.connect_timeout = options.connect_timeout_s
        paho.disable_logger()
        # A broker may remember half-finished QoS 2 messages of the connection before under their packet ids.
        paho.start_publishing(target.first_packet_id)
        return paho

    @property
    def address(self) -> str:
        """The broker's host and port."""
        return f"{self.target.host}:{self.target.port}"

    # --- opening and closing -------------------------------------------------------------------------------------

    async def open(self, timeout_s: float) -> None:
        """Connects.

        Raises:
            ConnectRefused: The broker is there and does not want us, or does not answer (code None).
            OSError: It cannot be reached, or TLS failed.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self.__aenter__()
        except aiomqtt.MqttError as error:
            self.abandon()
            raise OSError(str(error)) from error
        except TimeoutError as error:
            reached = self._paho.socket() is not None
            self.abandon()
            if reached:
                raise ConnectRefused("no answer in time") from error
            raise
        except BaseException:
            self.abandon()
            raise

    async def close(self, timeout_s: float = 5.0) -> None:
        """Sends a DISCONNECT behind all that was sent: the broker keeps the session and does not publish the will."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                if self._paho.disconnect() == MQTTErrorCode.MQTT_ERR_SUCCESS:
                    await asyncio.shield(self.ended)
        self.abandon()

    def abandon(self) -> None:
        """Drops the connection as it is."""
        self._end(Ending("the connection was dropped"))
        self._paho.close_socket()

    def _end(self, ending: Ending) -> None:
        if self.ended.done():
            return
        self.ended.set_result(ending)
        if self._timer is not None:
            self._timer.cancel()
        pending: list[asyncio.Future[Any]] = [self._connected, *self._pending_subscribes.values()]
        for waiting in pending:
            if not waiting.done():
                waiting.set_exception(ConnectRefused(ending.problem))
                waiting.exception()
        self._has_ended(ending)

    @abc.abstractmethod
    def _has_ended(self, ending: Ending) -> None:
        """The connection is gone."""

    @abc.abstractmethod
    def _has_written(self) -> None:
        """Something went to the socket."""

    # --- reading -------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Stops reading; the broker is held back by TCP. Nothing else is read either, receipts for instance."""
        sock = self._paho.socket()
        if sock is not None and not self._paused:
            self._paused = True
            self._loop.remove_reader(sock.fileno())

    def resume(self) -> None:
        """Goes on reading."""
        sock = self._paho.socket()
        if sock is not None and self._paused:
            self._paused = False
            self._loop.add_reader(sock.fileno(), self._read)
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        paho = self._paho
        try:
            while not self._paused and not self.ended.done():
                paho.read_some()
                if not paho.has_unread:
                    return
        except Exception as error:  # noqa: BLE001  whatever it is, this connection is of no use any more
            self._broken(error)

    def _flush(self) -> None:
        if self.ended.done():
            return
        try:
            self._paho.loop_write()
        except Exception as error:  # noqa: BLE001  whatever it is, this connection is of no use any more
            self._broken(error)
        self._has_written()
        sock = self._paho.socket()
        if self._paho.want_write() and not self._writer_added and sock is not None:
            self._writer_added = True
            self._loop.add_writer(sock.fileno(), self._flush)

    def _tick(self) -> None:
        self._paho.loop_misc()
        if self._paused:
            # The answer to a ping cannot be read now; its absence says nothing about the broker.
            self._paho.forgive_missing_pong()
        if not self.ended.done():
            self._timer = self._loop.call_later(1.0, self._tick)

    def _broken(self, error: Exception) -> None:
        self._end(Ending(str(error) or type(error).__name__))
        self._paho.close_socket()

    # --- what paho calls; on_socket_open and the first register_write come from the connecting thread ------------

    def _on_socket_open(self, client: Client, userdata: Any, sock: Any) -> None:
        self._loop.call_soon_threadsafe(self._start, sock)

    def _start(self, sock: socket.socket) -> None:
        if self.ended.done():
            self._paho.close_socket()
            return
        self._loop.add_reader(sock.fileno(), self._read)
        self._tick()

    def _on_socket_close(self, client: Client, userdata: Any, sock: Any) -> None:
        if sock.fileno() > -1:
            self._loop.remove_reader(sock.fileno())
            self._loop.remove_writer(sock.fileno())

    def _on_socket_register_write(self, client: Client, userdata: Any, sock: Any) -> None:
        if threading.get_ident() == self._loop_thread:
            self._loop.call_soon(self._flush)
        else:
            self._loop.call_soon_threadsafe(self._flush)

    def _on_socket_unregister_write(self, client: Client, userdata: Any, sock: Any) -> None:
        if self._writer_added:
            self._writer_added = False
            self._loop.remove_writer(sock.fileno())

    def _on_connect(
        self,
        client: Client,
        userdata: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if self._connected.done():
            return
        if reason_code.is_failure:
            self._connected.set_exception(ConnectRefused(reason_in_words(reason_code.value), reason_code.value))
            return
        self.session_present = flags.session_present
        if self.target.v5:
            self.limits = broker_limits(properties)
        self._connected.set_result(None)

    def _on_disconnect(
        self,
        client: Client,
        userdata: Any,
        flags: DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        code = reason_code.value
        if flags.is_disconnect_packet_from_server:
            problem = reason_in_words(code) if code else "the broker ended the connection"
        elif code == KEEP_ALIVE_TIMEOUT:
            problem = "the broker does not answer any more"
        elif not code:
            problem = "disconnected"
        else:
            problem = (
                "the broker closed the connection without a reason "
                f"(if this goes on: does another client use the client id '{self.identifier}'?)"
            )
        self._end(Ending(problem, taken_over=code == SESSION_TAKEN_OVER))
