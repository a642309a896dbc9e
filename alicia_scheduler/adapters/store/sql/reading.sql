-- The statements of the read-only connections. The pages of events and executions are put together in listing.py.

-- name: mark
-- What the process before left.
SELECT next_key, next_fence, next_sequence, alive_time, clean, starts, serial FROM meta

-- name: event
-- One event: both rows.
SELECT json_array({record}, {state})
FROM events AS r JOIN states AS s ON s.key = r.key
WHERE r.event_id = :event_id

-- name: execution
-- One execution.
SELECT {execution} FROM executions AS e WHERE e.execution_id = :execution_id

-- name: outbox
-- Waiting messages after a sequence, in order.
SELECT json_group_array(json_array(sequence, topic, payload, encoded, created_time, json(detail)))
FROM (SELECT * FROM outbox WHERE sequence > :after ORDER BY sequence LIMIT :limit)

-- name: counts
-- How much lies in the store: kept numbers, and entries of partial indexes that hold only what is under way.
SELECT
    events,
    executions,
    (SELECT count(*) FROM executions INDEXED BY executions_unfinished
        WHERE status IN ('pending', 'running', 'retrying')),
    (SELECT count(*) FROM executions INDEXED BY executions_unfinished
        WHERE status IN ('pending', 'running', 'retrying') AND status = 'running'),
    (SELECT count(*) FROM executions INDEXED BY executions_retrying WHERE status = 'retrying'),
    outbox,
    (SELECT count(*) FROM states INDEXED BY states_by_wake WHERE wake_time <= :now)
FROM meta

-- name: declared
-- Events that a file declares, with the file.
SELECT json_group_array(json_array(event_id, origin))
FROM events INDEXED BY events_declared
WHERE origin <> 'bus' AND origin >= 'file:' AND origin < 'file;'
