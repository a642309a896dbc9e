-- The statements of a write transaction. Many rows are a single step: they go in as {values}, one group of parameters
-- each, and come out as one JSON array. {state}, {execution} and {record} stand for the columns of a row in the order in
-- which rows.py reads them.

-- name: due_states
-- Events that need the planner, earliest first.
SELECT json_group_array({state})
FROM (
    SELECT * FROM states INDEXED BY states_by_wake
    WHERE wake_time <= :at ORDER BY wake_time, key LIMIT :limit
) AS s

-- name: ahead
-- Events whose mark lies in the future: a scan, since only a clock correction asks for it.
SELECT json_group_array({state})
FROM (SELECT * FROM states WHERE mark_time > :at ORDER BY key LIMIT :limit) AS s

-- name: states
-- The states of events named by key or by id, and how many events there are.
SELECT json_group_array({state}), (SELECT events FROM meta)
FROM states AS s
WHERE s.key IN (
    SELECT value FROM json_each(:keys)
    UNION
    SELECT key FROM events WHERE event_id IN (SELECT value FROM json_each(:event_ids))
)

-- name: records
-- The definitions of events.
SELECT json_group_array({record})
FROM events AS r
WHERE r.key IN (SELECT value FROM json_each(:keys))

-- name: executions
-- Executions by id.
SELECT json_group_array({execution})
FROM executions AS e
WHERE e.execution_id IN (SELECT value FROM json_each(:ids))

-- name: ready
-- Ids of the executions that may run, in the order to run them.
SELECT json_group_array(execution_id)
FROM (
    SELECT * FROM (
        SELECT execution_id, priority, due_time FROM executions INDEXED BY executions_ready
        WHERE status = 'pending' AND held = 0
        ORDER BY priority DESC, due_time, execution_id LIMIT :limit
    )
    UNION ALL
    SELECT * FROM (
        SELECT execution_id, priority, due_time FROM executions INDEXED BY executions_retrying
        WHERE status = 'retrying' AND retry_time <= :at
        ORDER BY priority DESC, due_time, execution_id LIMIT :limit
    )
    ORDER BY 2 DESC, 3, 1 LIMIT :limit
)

-- name: interrupted
-- Executions found running.
SELECT json_group_array({execution})
FROM (
    SELECT * FROM executions INDEXED BY executions_unfinished
    WHERE status IN ('pending', 'running', 'retrying') AND status = 'running'
    ORDER BY id LIMIT :limit
) AS e

-- name: unfinished
-- The oldest unfinished executions of each of some events.
SELECT json_group_array({execution})
FROM json_each(:keys) AS k
CROSS JOIN executions AS e ON e.id IN (
    SELECT id FROM executions INDEXED BY executions_unfinished
    WHERE event_key = k.value AND status IN ('pending', 'running', 'retrying')
    ORDER BY id LIMIT :limit
)

-- name: requests
-- Answers by request id.
SELECT json_group_array(json_array(request_id, fingerprint, answer, answered_time))
FROM requests
WHERE request_id IN (SELECT value FROM json_each(:ids))

-- name: next_wake_time
-- When the next event needs the planner, or the next retry comes due; one that is due already waits for a place.
SELECT min(at) FROM (
    SELECT min(wake_time) AS at FROM states INDEXED BY states_by_wake WHERE wake_time IS NOT NULL
    UNION ALL
    SELECT min(retry_time) FROM executions INDEXED BY executions_retrying WHERE status = 'retrying' AND retry_time > :now
    UNION ALL
    SELECT min(active_time) FROM entries INDEXED BY entries_waiting WHERE status = 'active' AND matched = 0
    UNION ALL
    SELECT (min(expires_time) / 1000000 + 1) * 1000000 FROM entries INDEXED BY entries_expiring WHERE status = 'active'
    UNION ALL
    SELECT min(event_key) * 0 FROM trigger_looks
)

-- name: delete_events
-- Removes events with their states and tags; their executions stay.
DELETE FROM events WHERE key IN (SELECT value FROM json_each(:rows))

-- name: put_records
-- Inserts events, or replaces their definitions.
INSERT INTO events (
    key, event_id, revision, origin, namespace, module_id, schedule_type, folded_name, tags, created_time,
    updated_time, definition, dest_id
)
{values}
ON CONFLICT (key) DO UPDATE SET
    revision = excluded.revision, origin = excluded.origin, namespace = excluded.namespace,
    module_id = excluded.module_id, schedule_type = excluded.schedule_type, folded_name = excluded.folded_name,
    tags = excluded.tags, created_time = excluded.created_time, updated_time = excluded.updated_time,
    definition = excluded.definition, dest_id = excluded.dest_id

-- name: put_states
-- Inserts or replaces the states of events.
INSERT INTO states (
    key, event_id, status, mark_time, anchor_time, next_time, wake_time, generation, unfinished, fired_count,
    run_count, success_count, failure_count, skipped_count, missed_count, last_run_time, last_status, detail
)
{values}
ON CONFLICT (key) DO UPDATE SET
    status = excluded.status, mark_time = excluded.mark_time, anchor_time = excluded.anchor_time,
    next_time = excluded.next_time, wake_time = excluded.wake_time, generation = excluded.generation,
    unfinished = excluded.unfinished, fired_count = excluded.fired_count, run_count = excluded.run_count,
    success_count = excluded.success_count, failure_count = excluded.failure_count,
    skipped_count = excluded.skipped_count, missed_count = excluded.missed_count,
    last_run_time = excluded.last_run_time, last_status = excluded.last_status, detail = excluded.detail

-- name: add_executions
-- Inserts executions that must not exist yet.
INSERT INTO executions (
    execution_id, event_key, event_id, status, triggered_by, scheduled_time, due_time, created_time, priority, held,
    retry_time, end_time, detail
)
{values}

-- name: put_executions
-- Inserts or replaces executions. What an execution is made from never changes, so those columns and their indexes rest.
INSERT INTO executions (
    execution_id, event_key, event_id, status, triggered_by, scheduled_time, due_time, created_time, priority, held,
    retry_time, end_time, detail
)
{values}
ON CONFLICT (execution_id) DO UPDATE SET
    status = excluded.status, triggered_by = excluded.triggered_by, due_time = excluded.due_time,
    priority = excluded.priority, held = excluded.held, retry_time = excluded.retry_time,
    end_time = excluded.end_time, detail = excluded.detail

-- name: known_executions
-- Which of some executions exist.
SELECT json_group_array(execution_id) FROM executions
WHERE execution_id IN (SELECT value FROM json_each(:ids))

-- name: put_requests
-- Keeps the answers that request ids got.
INSERT INTO requests (request_id, fingerprint, answer, answered_time)
{values}
ON CONFLICT (request_id) DO UPDATE SET
    fingerprint = excluded.fingerprint, answer = excluded.answer, answered_time = excluded.answered_time

-- name: add_outbox
-- Adds messages to send.
INSERT INTO outbox (sequence, topic, payload, encoded, created_time, detail)
{values}

-- name: delete_sent
-- Removes messages that the broker has acknowledged.
DELETE FROM outbox WHERE sequence IN (SELECT value FROM json_each(:rows))

-- name: put_mark
-- Leaves the service mark.
UPDATE meta SET
    next_key = :next_key, next_fence = :next_fence, next_sequence = :next_sequence, alive_time = :alive_time,
    clean = :clean, starts = :starts, serial = :serial, next_offset = :next_offset

-- name: mark
-- What stands there now.
SELECT next_key, next_fence, next_sequence, alive_time, clean, starts, serial, next_offset FROM meta
