#!/bin/sh
# The life of an event with nothing but mosquitto_pub and mosquitto_sub (package mosquitto-clients).
#     PORT=1883 examples/session.sh
set -eu
HOST=${HOST:-127.0.0.1}
PORT=${PORT:-1883}
PREFIX=${PREFIX:-alicia/scheduler}

# Sends a command and prints its answer: $1 the command, $2 its fields as JSON. The answer goes to a topic of our own.
ask() {
    answer="$PREFIX/response/session-$$"
    body=$(printf '%s' "$2" | sed "1s|{|{\"reply_to\": \"$answer\", |")
    mosquitto_sub -h "$HOST" -p "$PORT" -R -q 1 -C 1 -W 10 -t "$answer" &
    listening=$!
    sleep 1 # until the subscription is there
    mosquitto_pub -h "$HOST" -p "$PORT" -q 1 -t "$PREFIX/command/$1" -m "$body"
    wait "$listening"
}

echo "--- create an event that fires every two seconds"
ask create_event '{"on_conflict": "replace", "event": {
    "event_id": "session-demo", "schedule_type": "interval", "schedule_config": {"every": "2s"},
    "action": {"topic": "demo/session", "message": {"tick": "{{ execution.scheduled_time | iso }}"}}}}'

echo "--- what it publishes"
mosquitto_sub -h "$HOST" -p "$PORT" -R -C 2 -W 15 -v -t demo/session

echo "--- pause it, with a reason that others can read"
ask pause_event '{"event_id": "session-demo", "note": "seen enough"}'

echo "--- its last execution"
ask list_executions '{"event_id": "session-demo", "limit": 1}'

echo "--- remove it; its history stays"
ask delete_event '{"event_id": "session-demo"}'
