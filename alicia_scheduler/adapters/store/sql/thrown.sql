-- The statements about thrown events within a write transaction. {thrown} and {entry} stand for the columns of a row in
-- the order in which thrown_rows.py reads them.

-- name: due_entries
-- Entries whose delay is over and which no trigger has seen.
SELECT json_group_array({entry}) FROM (
    SELECT * FROM entries INDEXED BY entries_waiting
    WHERE status = 'active' AND matched = 0 AND active_time <= :at ORDER BY active_time, log_offset LIMIT :limit
) AS n

-- name: expired_entries
-- Active entries whose ttl is over.
SELECT json_group_array({entry}) FROM (
    SELECT * FROM entries INDEXED BY entries_expiring
    WHERE status = 'active' AND expires_time <= :at ORDER BY expires_time LIMIT :limit
) AS n

-- name: queued_entries
-- Active entries of one destination, the oldest first.
SELECT json_group_array({entry}) FROM (
    SELECT * FROM entries INDEXED BY entries_queued
    WHERE status = 'active' AND dest_id = :dest_id AND log_offset > :since
        AND (:namespace IS NULL OR namespace = :namespace)
        AND (:keys IS NULL OR key IN (SELECT value FROM json_each(:keys)))
    ORDER BY log_offset LIMIT :limit
) AS n

-- name: queued_anywhere
-- Active entries of all destinations, the oldest first: a walk over what is active.
SELECT json_group_array({entry}) FROM (
    SELECT * FROM entries INDEXED BY entries_queued
    WHERE status = 'active' AND :dest_id IS NULL AND log_offset > :since
        AND (:namespace IS NULL OR namespace = :namespace)
        AND (:keys IS NULL OR key IN (SELECT value FROM json_each(:keys)))
    ORDER BY log_offset LIMIT :limit
) AS n

-- name: oldest_entries
-- The oldest active entries of destinations whose queues are full.
SELECT json_group_array({entry})
FROM json_each(:dest_ids) AS q
JOIN destinations AS d ON d.dest_id = q.value AND d.queued >= :full_at
CROSS JOIN entries AS n ON n.dest_id = d.dest_id AND n.status = 'active' AND n.log_offset IN (
    SELECT o.log_offset FROM entries AS o WHERE o.dest_id = d.dest_id AND o.status = 'active'
    ORDER BY o.log_offset LIMIT :limit
)

-- name: siblings
-- The other entries of thrown events that are for a single consumer.
SELECT json_group_array({entry})
FROM json_each(:offsets) AS q
CROSS JOIN thrown AS t ON t.log_offset = q.value AND t.single = 1
CROSS JOIN entries AS n ON n.log_offset = t.log_offset

-- name: thrown
-- Thrown events by offset.
SELECT json_group_array({thrown}) FROM thrown AS t WHERE t.log_offset IN (SELECT value FROM json_each(:offsets))

-- name: seen
-- Who has had some thrown events.
SELECT json_group_array(json_array(log_offset, seer)) FROM thrown_seen
WHERE log_offset IN (SELECT value FROM json_each(:offsets))

-- name: triggered
-- The scheduled events that wait under some keys: place of the key in the list, event id, event key, destination.
SELECT json_group_array(json_array(q.key, e.event_id, e.key, i.dest_id))
FROM json_each(:keys) AS q
CROSS JOIN trigger_index AS i
    ON i.kind = q.value ->> 0 AND i.namespace = q.value ->> 1 AND i.key = q.value ->> 2
CROSS JOIN events AS e ON e.key = i.event_key

-- name: watchers
-- The scheduled events that wait for executions of some others, and those that wait for theirs, and so on.
WITH RECURSIVE found (event_id, watcher, event_key, dest_id) AS (
    SELECT q.value, e.event_id, e.key, i.dest_id
    FROM json_each(:event_ids) AS q
    CROSS JOIN trigger_index AS i ON i.kind = 'execution' AND i.namespace = '' AND i.key = q.value
    CROSS JOIN events AS e ON e.key = i.event_key
    UNION
    SELECT f.watcher, e.event_id, e.key, i.dest_id
    FROM found AS f
    CROSS JOIN trigger_index AS i ON i.kind = 'execution' AND i.namespace = '' AND i.key = f.watcher
    CROSS JOIN events AS e ON e.key = i.event_key
    LIMIT 10000
)
SELECT json_group_array(json_array(event_id, watcher, event_key, dest_id)) FROM found

-- name: any_watchers
-- Whether any trigger waits for executions.
SELECT EXISTS (SELECT 1 FROM trigger_index WHERE kind = 'execution')

-- name: looks
-- Scheduled events to lay against the entries which wait already: event id, event key, destination.
SELECT json_group_array(json_array(e.event_id, e.key, (SELECT dest_id FROM trigger_index WHERE event_key = e.key LIMIT 1)))
FROM (SELECT event_key FROM trigger_looks ORDER BY event_key LIMIT :limit) AS k
CROSS JOIN events AS e ON e.key = k.event_key

-- name: looked_at
-- The entries which wait already for some scheduled events, the oldest first.
SELECT json_group_array({entry}) FROM (
    SELECT DISTINCT x.*
    FROM json_each(:event_keys) AS q
    CROSS JOIN trigger_index AS i ON i.event_key = q.value AND i.kind = 'event'
    CROSS JOIN entries AS x INDEXED BY entries_by_key
        ON x.dest_id = i.dest_id AND x.namespace = i.namespace AND x.key = i.key AND x.status = 'active'
    ORDER BY x.log_offset LIMIT :limit
) AS n

-- name: progress
-- What the triggers of some scheduled events have so far.
SELECT json_group_array(json_array(event_key, trigger_id, json(state))) FROM trigger_progress
WHERE event_key IN (SELECT value FROM json_each(:event_keys))

-- name: all_destinations
-- Destinations in which scheduled events live.
SELECT json_group_array(json_array(dest_id, events, queued)) FROM destinations WHERE events > 0

-- name: some_destinations
-- Destinations by name.
SELECT json_group_array(json_array(dest_id, events, queued)) FROM destinations
WHERE dest_id IN (SELECT value FROM json_each(:dest_ids))

-- name: variables
-- The variables of some destinations.
SELECT json_group_array(json_array(dest_id, name, json(value))) FROM variables
WHERE dest_id IN (SELECT value FROM json_each(:dest_ids))

-- name: steps
-- What became of the instructions of some executions.
SELECT json_group_array(json_array(execution_id, path, json(outcome))) FROM (
    SELECT * FROM steps WHERE execution_id IN (SELECT value FROM json_each(:ids)) ORDER BY id
)

-- name: add_thrown
-- Adds thrown events to the log.
INSERT INTO thrown (log_offset, unique_id, namespace, key, scope, created_time, active_time, expires_time, single, detail)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8,
    value -> 9
FROM json_each(:rows)

-- name: add_entries
-- Puts new entries into their queues.
INSERT INTO entries (
    log_offset, dest_id, place, namespace, key, active_time, expires_time, status, matched, reason, consumed_by,
    consumed_time
)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8,
    value ->> 9, value ->> 10, value ->> 11
FROM json_each(:rows)

-- name: put_entries
-- Leaves entries so.
UPDATE entries SET
    status = r.value ->> 7, matched = r.value ->> 8, reason = r.value ->> 9, consumed_by = r.value ->> 10,
    consumed_time = r.value ->> 11
FROM json_each(:rows) AS r
WHERE entries.log_offset = r.value ->> 0 AND entries.dest_id = r.value ->> 1

-- name: add_seen
-- Notes who has had a thrown event.
INSERT INTO thrown_seen (log_offset, seer)
SELECT value ->> 0, value ->> 1 FROM json_each(:rows) WHERE true ON CONFLICT DO NOTHING

-- name: put_progress
-- Leaves what triggers have so far; of scheduled events that are still there.
INSERT INTO trigger_progress (event_key, trigger_id, state)
SELECT value ->> 0, value ->> 1, value -> 2 FROM json_each(:rows)
WHERE EXISTS (SELECT 1 FROM events WHERE key = value ->> 0)
ON CONFLICT (event_key, trigger_id) DO UPDATE SET state = excluded.state

-- name: delete_progress
-- Has triggers begin anew.
DELETE FROM trigger_progress
WHERE (event_key, trigger_id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:rows))

-- name: add_looks
-- Scheduled events to lay against the entries which wait already.
INSERT INTO trigger_looks (event_key)
SELECT value FROM json_each(:rows) WHERE EXISTS (SELECT 1 FROM events WHERE key = value) ON CONFLICT DO NOTHING

-- name: delete_looks
-- Scheduled events that were laid against the entries which wait already.
DELETE FROM trigger_looks WHERE event_key IN (SELECT value FROM json_each(:rows))

-- name: delete_index
-- Forgets what the triggers of some scheduled events waited for.
DELETE FROM trigger_index WHERE event_key IN (SELECT value FROM json_each(:rows))

-- name: add_index
-- What the triggers of some scheduled events wait for.
INSERT INTO trigger_index (event_key, kind, namespace, key, dest_id)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(:rows)

-- name: put_variables
-- Leaves variables so.
INSERT INTO variables (dest_id, name, value, updated_time)
SELECT value ->> 0, value ->> 1, value -> 2, value ->> 3 FROM json_each(:rows) WHERE true
ON CONFLICT (dest_id, name) DO UPDATE SET value = excluded.value, updated_time = excluded.updated_time

-- name: delete_variables
-- Removes variables.
DELETE FROM variables WHERE (dest_id, name) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:rows))

-- name: put_steps
-- Records what became of instructions.
INSERT INTO steps (execution_id, path, outcome)
SELECT value ->> 0, value ->> 1, value -> 2 FROM json_each(:rows) WHERE true
ON CONFLICT (execution_id, path) DO UPDATE SET outcome = excluded.outcome
