-- What the history checker reads, a page of events at a time. {state}, {execution} and {record} stand for the columns
-- of a row in the order in which rows.py reads them.

-- name: events
-- A page of events by id, or the one that is asked for.
SELECT json_array({record}, {state})
FROM events AS r JOIN states AS s ON s.key = r.key
WHERE r.event_id > :after AND (:only IS NULL OR r.event_id = :only)
ORDER BY r.event_id LIMIT :limit

-- name: executions
-- The executions of the events between two ids, also of those that are gone, by nominal time.
SELECT {execution}
FROM executions AS e INDEXED BY executions_by_event
WHERE e.event_id > :after AND (:until IS NULL OR e.event_id <= :until) AND (:only IS NULL OR e.event_id = :only)
ORDER BY e.event_id, e.scheduled_time, e.id

-- name: counted_since
-- The oldest nominal time among the newest executions of an event that are kept.
SELECT scheduled_time FROM executions INDEXED BY executions_by_event
WHERE event_id = :event_id ORDER BY scheduled_time DESC LIMIT 1 OFFSET :kept

-- name: pauses
-- The answers to pauses and resumes that are still kept.
SELECT answer, answered_time FROM requests
WHERE json_valid(answer) AND answer ->> 'command' IN ('pause_event', 'resume_event')

-- name: waiting
-- Messages that the broker has not acknowledged yet.
SELECT topic, payload FROM outbox WHERE encoded = 0 ORDER BY sequence

-- name: size
-- How many executions there are.
SELECT executions FROM meta
