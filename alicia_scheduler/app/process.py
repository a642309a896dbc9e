"""The service in its surroundings: signals, the embedded broker, and a word of welcome."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from contextlib import AsyncExitStack

import structlog

from alicia_scheduler.adapters.broker import EmbeddedBroker
from alicia_scheduler.app.application import Application
from alicia_scheduler.errors import SchedulerError
from alicia_scheduler.settings import Settings

SWITCH_INTERVAL_S = 0.0005
"""How long the event loop may keep the interpreter while the store's thread waits for it. The default of 5 ms would
add its length to every statement of a commit in a busy moment."""

GC_THRESHOLDS = (50_000, 20, 50)
"""Young objects before a collection, and how seldom the older ones are looked through. Nothing on the fire path makes
cycles, and a look through everything that a busy moment keeps alive costs more the more is due."""

HARD_STOP_S = 20.0
"""How long after the grace a stop may take, before the process ends as if it had crashed; the next start recovers."""

log = structlog.get_logger("app")


async def run_service(settings: Settings, *, embedded_broker: bool = False) -> int:
    """Runs the service until SIGTERM or SIGINT, and returns the exit code.

    A second signal ends the process at once; the next start recovers.

    Raises:
        SchedulerError: The service could not start, or had to give up.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    for warning in settings.warnings:
        log.warning("settings", warning=warning)
    try:
        async with AsyncExitStack() as stack:
            if embedded_broker:
                await stack.enter_async_context(EmbeddedBroker(settings.mqtt.host, settings.mqtt.port))
            application = Application(settings, mqtt_v311=embedded_broker)
            _handle_signals(application)
            if sys.stderr.isatty():
                _welcome(settings, embedded_broker=embedded_broker)
            await application.run()
    except BaseExceptionGroup as group:
        raise _cause(group) from group
    log.info("stopped")
    return 0


def _handle_signals(application: Application) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if application.stop_asked.is_set():
            os._exit(1)
        application.stop_asked.set()
        grace = application.settings.scheduler.shutdown_grace.total_seconds() + HARD_STOP_S
        loop.call_later(grace, _give_up_stopping)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, application.declared.reload)


def _give_up_stopping() -> None:
    log.error("stop_takes_too_long", tasks=[task.get_name() for task in asyncio.all_tasks()])
    os._exit(1)


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that a person can act on, out of a group of tasks that ended because of it."""
    expected = group.subgroup(SchedulerError)
    inner: BaseException = expected or group
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner


def _welcome(settings: Settings, *, embedded_broker: bool) -> None:
    host, port = settings.mqtt.addresses[0]
    where = f"{host}:{port}" + (" (embedded)" if embedded_broker else "")
    prefix = settings.mqtt.topic_prefix
    sys.stderr.write(
        f"""
  Alicia Scheduler   broker {where}   store {settings.store.path}

  In a second terminal, watch what happens, and send a command:

    .venv/bin/alicia-scheduler tail
    .venv/bin/alicia-scheduler events list
    mosquitto_pub -p {port} -q 1 -t {prefix}/command/create_event -m '{{"event": {{
        "event_id": "hello", "schedule_type": "interval", "schedule_config": {{"every": "5s"}},
        "action": {{"topic": "demo/hello", "message": {{"text": "hello"}}}}}}}}'

  Ctrl-C stops the service.

"""
    )
