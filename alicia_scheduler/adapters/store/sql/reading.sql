-- The statements of the read-only connections. The pages of events and executions are put together in listing.py.

-- name: mark
-- What the process before left.
SELECT next_key, next_fence, next_sequence, alive_time, clean, starts, serial, next_offset FROM meta

-- name: stopped_in_order
-- Whether the process before stopped in order; for a file of any schema.
SELECT clean FROM meta

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

-- name: thrown_variables
-- The variables of one destination.
SELECT json_group_array(json_array(name, json(value))) FROM variables WHERE dest_id = :dest_id

-- name: thrown_steps
-- What became of the instructions of an execution, in order.
SELECT json_group_array(json_array(path, json(outcome))) FROM (
    SELECT * FROM steps WHERE execution_id = :execution_id ORDER BY id
)

-- name: mqtt_filters
-- The topic filters that triggers listen to.
SELECT json_group_array(json_array(namespace, key)) FROM (
    SELECT DISTINCT i.namespace, i.key FROM trigger_index AS i
    CROSS JOIN states AS s ON s.key = i.event_key AND s.status = 'active'
    WHERE i.kind = 'mqtt' LIMIT :limit
)
