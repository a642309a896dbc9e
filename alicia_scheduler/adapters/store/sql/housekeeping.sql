-- What retention removes, a small batch at a time, found by index.

-- name: expired_by_age
-- Ended executions that are too old, oldest first.
DELETE FROM executions WHERE id IN (
    SELECT id FROM executions INDEXED BY executions_ended
    WHERE status NOT IN ('pending', 'running', 'retrying') AND coalesce(end_time, created_time) < :before
    ORDER BY coalesce(end_time, created_time) LIMIT :limit
)

-- name: expired_by_count
-- Ended executions of some events beyond the newest so many of each.
DELETE FROM executions WHERE id IN (
    SELECT e.id
    FROM json_each(:event_ids) AS k
    CROSS JOIN executions AS e INDEXED BY executions_by_event
    WHERE e.event_id = k.value AND e.status NOT IN ('pending', 'running', 'retrying')
        AND e.scheduled_time < (
            SELECT n.scheduled_time FROM executions AS n INDEXED BY executions_by_event
            WHERE n.event_id = k.value ORDER BY n.scheduled_time DESC LIMIT 1 OFFSET :last_kept
        )
    LIMIT :limit
)

-- name: expired_requests
-- Answers that nobody will ask for again.
DELETE FROM requests WHERE request_id IN (
    SELECT request_id FROM requests WHERE answered_time < :before ORDER BY answered_time LIMIT :limit
)

-- name: expired_thrown
-- Thrown events that are over and too old, or too many, with their entries.
DELETE FROM thrown WHERE log_offset IN (
    SELECT t.log_offset FROM thrown AS t
    WHERE t.log_offset <= max(
            coalesce((
                SELECT a.log_offset FROM thrown AS a INDEXED BY thrown_by_age
                WHERE a.created_time < :before ORDER BY a.created_time DESC LIMIT 1
            ), 0),
            (SELECT next_offset FROM meta) - :kept - 1
        )
        AND NOT EXISTS (SELECT 1 FROM entries AS n WHERE n.log_offset = t.log_offset AND n.status = 'active')
    ORDER BY t.log_offset LIMIT :limit
)
