"""What is measured: each function sets one contestant up, lets it work, and returns figures."""

from __future__ import annotations

import json
import math
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import processes
from bench.loading import burst, load, resting
from bench.observer import PREFIX, Observer
from bench.processes import Program, Settings
from bench.wire import WireClient
from tests.mosquitto_process import Mosquitto

PLACES: Settings = {"scheduler": {"max_concurrent_executions": 100}}
LEAN: Settings = {**PLACES, "publish": {"lifecycle_events": False, "state_topics": False}}

LEAD_S = 6.0
"""From the end of loading to the due time, for a small store; the start of the program lies in it."""

CALLERS = 50


@dataclass(frozen=True, slots=True)
class Figures:
    """What one measurement found, by name; the unit is in the name."""

    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class Bench:
    """Where one measurement takes place: an empty directory and an empty broker."""

    directory: Path
    broker: Mosquitto

    @property
    def database(self) -> Path:
        return self.directory / "bench.db"


@contextmanager
def fresh_bench() -> Iterator[Bench]:
    """A directory and a broker that nobody has used."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, Mosquitto() as broker:
        yield Bench(Path(directory), broker)


# ---------------------------------------------------------------- fires


def service_fires(count: int, settings: Settings) -> Figures:
    """``count`` events due at one instant, fired by the service; until the last result is on the bus."""
    with fresh_bench() as bench, Observer(bench.broker.port) as observer:
        due = _due(count, seconds_per_event=0.0006)
        load(bench.database, burst(count, due))
        with processes.service(bench.directory, bench.broker.port, bench.database, settings) as program:
            _await_the_hour(program, observer, due)
            _wait_for_fires(observer, count, due)
            observer.wait_until(lambda seen: len(seen.results) >= count, "results", 60 + count / 100)
            _check(observer, count)
            values = _fire_figures(observer, due)
            values["results_per_s"] = count / (observer.results[-1][0] - due.timestamp())
            program.wait_until_idle()
            return Figures(values)


def apscheduler_fires(count: int) -> Figures:
    """The same on APScheduler, which has no results to publish."""
    with fresh_bench() as bench, Observer(bench.broker.port) as observer:
        due = _due(count, seconds_per_event=0.0025)
        arguments = (str(bench.database), str(count), due.isoformat())
        with processes.peer(bench.directory, "load", *arguments) as loader:
            if loader.process.wait(timeout=600):
                raise RuntimeError(loader.log())
        with processes.peer(bench.directory, "fire", str(bench.database), str(bench.broker.port)) as program:
            _await_the_hour(program, observer, due)
            _wait_for_fires(observer, count, due)
            return Figures(_fire_figures(observer, due))


def _due(count: int, seconds_per_event: float) -> datetime:
    """A whole second far enough ahead for loading and starting."""
    return datetime.fromtimestamp(math.ceil(time.time() + LEAD_S + count * seconds_per_event), UTC)


def _await_the_hour(program: Program, observer: Observer, due: datetime) -> None:
    """Makes sure that the contestant is up and at rest before the due time."""
    observer.wait_until(lambda seen: seen.online_at is not None, f"online ({program.log_file})", 60)
    program.wait_until_idle()
    if time.time() > due.timestamp() - 0.3:
        raise RuntimeError("the machine was too slow to be ready before the due time; run it again when it is at rest")


def _wait_for_fires(observer: Observer, count: int, due: datetime) -> None:
    time.sleep(max(0.0, due.timestamp() - time.time()))
    observer.wait_until(lambda seen: len(seen.fires) >= count, "fires", 60 + count / 50)


def _check(observer: Observer, count: int) -> None:
    """A figure counts only if the work was done: every event fired once and was reported once as completed."""
    completed = observer.completed()
    if len(completed) != count or len(observer.results) != count or observer.repeats:
        raise RuntimeError(f"{count} events: {len(completed)} completed, {observer.repeats} repeats")


def _fire_figures(observer: Observer, due: datetime) -> dict[str, float]:
    late = sorted(at - due.timestamp() for at in observer.fires.values())
    if late[0] < 0:
        raise RuntimeError(f"a fire came {-late[0]:.3f} s early")
    return {
        "fires_per_s": len(late) / late[-1],
        "late_p50_s": late[len(late) // 2],
        "late_p99_s": late[min(len(late) - 1, len(late) * 99 // 100)],
        "first_fire_s": late[0],
    }


# ---------------------------------------------------------------- commands


def service_creates(count: int) -> Figures:
    """``create_event`` over the bus: 50 callers, each sends its next command when it has its answer."""
    with (
        fresh_bench() as bench,
        Observer(bench.broker.port) as observer,
        processes.service(bench.directory, bench.broker.port, bench.database, {}) as program,
    ):
        observer.wait_until(lambda seen: seen.online_at is not None, "online", 60)
        program.wait_until_idle()
        seconds, answers = _call(bench.broker.port, count)
        program.check()
    answers.sort()
    p99 = answers[min(count - 1, count * 99 // 100)]
    return Figures({"commands_per_s": count / seconds, "answer_p50_s": answers[count // 2], "answer_p99_s": p99})


def _call(port: int, count: int) -> tuple[float, list[float]]:
    """How long ``count`` creates took in all, and each by itself."""
    client = WireClient(port, "bench-callers", ("bench/answer/+",), timeout_s=5)
    commands = list(_commands(count))
    sent_at: dict[str, float] = {}
    answers: list[float] = []

    def send_next() -> None:
        number = len(sent_at)
        if number < count:
            sent_at[f"bench/answer/{number}"] = time.perf_counter()
            client.publish(f"{PREFIX}/command/create_event", commands[number], qos=1)

    began = time.perf_counter()
    for _ in range(CALLERS):
        send_next()
    while len(answers) < count:
        messages = client.received()
        now = time.perf_counter()
        if now - began > 60 + count / 50:
            raise TimeoutError(f"{len(answers)} of {count} answers")
        for message in messages:
            if b'"status":"ok"' not in message.payload:
                raise RuntimeError(message.payload.decode())
            answers.append(now - sent_at[message.topic])
            send_next()
    seconds = time.perf_counter() - began
    client.close()
    return seconds, answers


def _commands(count: int) -> Iterator[bytes]:
    """Creates in random order of ids and times."""
    numbers = random.Random(20_000).sample(range(1_000_000), count)
    now = datetime.now(UTC)
    for place, number in enumerate(numbers):
        (event,) = resting(1, now)
        event |= {"event_id": f"random-{number}", "name": f"Random {number}"}
        event["schedule_config"] = {"run_at": now.timestamp() + 7200 + number}
        command = {"request_id": f"bench-{place}", "reply_to": f"bench/answer/{place}", "event": event}
        yield json.dumps(command).encode()


def apscheduler_adds(count: int) -> Figures:
    """``add_job`` in the program itself; it has no way in from outside, and blocks, so one caller is as good as 50."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        with processes.peer(directory, "add", str(directory / "bench.db"), str(count)) as program:
            if program.process.wait(timeout=600):
                raise RuntimeError(program.log())
        return Figures({"commands_per_s": json.loads(program.log().splitlines()[-1])["per_second"]})


# ---------------------------------------------------------------- start and memory


def service_start(database: Path | None) -> Figures:
    """A start until ``online``, and the memory once everything is quiet; without a file: with an empty store."""
    with fresh_bench() as bench, Observer(bench.broker.port) as observer:
        stored = database or bench.database
        with processes.service(bench.directory, bench.broker.port, stored, {}) as program:
            observer.wait_until(lambda seen: seen.online_at is not None, "online", 120)
            assert observer.online_at is not None
            start_s = observer.online_at - program.started_at
            program.wait_until_idle()
            return Figures({"start_s": start_s, "rss_bytes": float(program.memory())})


def stored_events(directory: Path, count: int) -> Path:
    """A store with so many events that rest."""
    database = directory / "resting.db"
    load(database, resting(count, datetime.now(UTC)))
    return database
