-- What a restored copy holds that time has overtaken.

-- name: unfinished_ids
-- Unfinished executions, those of one event together, oldest first.
SELECT execution_id FROM executions INDEXED BY executions_unfinished
WHERE status IN ('pending', 'running', 'retrying') ORDER BY event_key, due_time, execution_id

-- name: once_only_due
-- Events that are due and of which nothing may run twice.
SELECT s.event_id
FROM states AS s INDEXED BY states_by_wake JOIN events AS r ON r.key = s.key
WHERE s.wake_time <= :at AND s.status = 'active' AND r.definition ->> 'delivery' = 'at_most_once'
ORDER BY s.event_id
