"""``python -m bench.thrown``: how fast events are thrown, matched and acted on, with a private Mosquitto.

Three figures: from a throw to the start of the execution that it triggers, at a steady rate; durable throws a second
with 50 callers; and how both hold when many triggers wait for other keys.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench import processes
from bench.loading import load
from bench.observer import PREFIX, Observer
from bench.scenarios import CALLERS, Bench, fresh_bench
from bench.wire import WireClient

RATE = 200
SETTINGS: processes.Settings = {"scheduler": {"max_concurrent_executions": 100}}
LEAN: processes.Settings = {**SETTINGS, "publish": {"lifecycle_events": False, "state_topics": False}}


def waiting(count: int) -> Iterator[dict[str, Any]]:
    """Scheduled events that wait for a key each, and publish what the thrown event brought."""
    for number in range(count):
        yield {
            "event_id": f"waits-{number:06d}",
            "schedule_type": "event",
            "triggers": [{"type": "event", "value": f"key-{number}"}],
            "overlap_policy": "allow",
            "max_concurrent": 1000,
            "action": {
                "topic": f"bench/started/{number}",
                "message": {"n": "{{ _event.payload.n }}"},
                "metadata": "none",
            },
        }


@contextmanager
def running(triggers: int, settings: processes.Settings) -> Iterator[Bench]:
    """A service with so many triggers stored."""
    with fresh_bench() as bench, Observer(bench.broker.port) as observer:
        load(bench.database, waiting(triggers))
        with processes.service(bench.directory, bench.broker.port, bench.database, settings) as program:
            observer.wait_until(lambda seen: seen.online_at is not None, "online", 120)
            program.wait_until_idle()
            yield bench
            program.check()


def latency(triggers: int, seconds: int, settings: processes.Settings) -> dict[str, float]:
    """From sending the throw until the message of the triggered execution is here, at a steady rate."""
    with running(triggers, settings) as bench:
        client = WireClient(bench.broker.port, "bench-thrower", ("bench/started/+",), timeout_s=0.001)
        sent_at: dict[int, float] = {}
        late: list[float] = []
        began = time.perf_counter()
        total = RATE * seconds
        while len(late) < total:
            now = time.perf_counter()
            while len(sent_at) < min(total, (now - began) * RATE):
                n = len(sent_at)
                body = {
                    "key": f"key-{n % triggers}",
                    "payload": {"n": n},
                    "reply_to": "bench/answers",
                    "dest_id": "default",
                }
                sent_at[n] = time.perf_counter()
                client.publish(f"{PREFIX}/command/throw_event", json.dumps(body).encode(), qos=1)
            arrived = [sent_at[json.loads(message.payload)["n"]] for message in client.received()]
            late += [time.perf_counter() - at for at in arrived]
            if now - began > seconds + 60:
                raise TimeoutError(f"{len(late)} of {total} started")
        client.close()
        late.sort()
        return {"started_p50_s": late[total // 2], "started_p99_s": late[total * 99 // 100], "started_max_s": late[-1]}


def throws(triggers: int, count: int, key: str, settings: processes.Settings) -> dict[str, float]:
    """``throw_event`` over the bus: 50 callers, each sends its next one when it has its answer."""
    with running(triggers, settings) as bench:
        client = WireClient(bench.broker.port, "bench-callers", ("bench/answer/+",), timeout_s=5)
        sent_at: dict[str, float] = {}
        took: list[float] = []

        def send_next() -> None:
            number = len(sent_at)
            if number < count:
                place = f"bench/answer/{number}"
                body = {"request_id": f"r{number}", "reply_to": place, "key": key, "payload": {"n": number},
                        "dest_id": "default", "ttl": 1, "sender": f"caller-{number % CALLERS}"}  # fmt: skip
                sent_at[place] = time.perf_counter()
                client.publish(f"{PREFIX}/command/throw_event", json.dumps(body).encode(), qos=1)

        began = time.perf_counter()
        for _ in range(CALLERS):
            send_next()
        while len(took) < count:
            for message in client.received():
                if b'"status":"ok"' not in message.payload:
                    raise RuntimeError(message.payload.decode())
                took.append(time.perf_counter() - sent_at[message.topic])
                send_next()
            if time.perf_counter() - began > 60 + count / 50:
                raise TimeoutError(f"{len(took)} of {count} answers")
        seconds = time.perf_counter() - began
        client.close()
        took.sort()
        return {
            "throws_per_s": count / seconds,
            "answer_p50_s": took[count // 2],
            "answer_p99_s": took[count * 99 // 100],
        }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="bench.thrown", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer seconds, 20,000 instead of 100,000 triggers")
    parser.add_argument("--only", default="", help="only measurements whose name contains this text")
    options = parser.parse_args()
    many = 20_000 if options.quick else 100_000
    seconds, count = (5, 3000) if options.quick else (20, 10_000)
    measurements = {
        f"throw to start, {RATE}/s, 1,000 triggers": lambda: latency(1000, seconds, SETTINGS),
        f"throw to start, {RATE}/s, 1,000 triggers, lean": lambda: latency(1000, seconds, LEAN),
        "throws, 50 callers, nobody waits": lambda: throws(100, count, "nobody", SETTINGS),
        "throws, 50 callers, 100 triggers on other keys": lambda: throws(100, count, "nobody", LEAN),
        f"throws, 50 callers, {many:,} triggers on other keys": lambda: throws(many, count, "nobody", LEAN),
    }
    for name, measure in measurements.items():
        if options.only in name:
            print(f"  measuring {name} …", file=sys.stderr, flush=True)
            figures = ", ".join(f"{figure} {value:.4g}" for figure, value in measure().items())
            print(f"{name}: {figures}", flush=True)


if __name__ == "__main__":
    main()
