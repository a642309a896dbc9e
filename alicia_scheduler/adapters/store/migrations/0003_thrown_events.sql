-- Thrown events with their queues, triggers, variables and the steps of instructions.

ALTER TABLE meta ADD COLUMN next_offset INTEGER NOT NULL DEFAULT 1;

-- The destination stands in the definition; here for the triggers that count, which may not read JSON.
ALTER TABLE events ADD COLUMN dest_id TEXT NOT NULL DEFAULT 'default';
UPDATE events SET dest_id = definition ->> 'dest_id'
WHERE json_valid(definition) AND definition ->> 'dest_id' <> 'default';

-- The log of thrown events. `detail` holds what is neither searched for nor ordered by.
CREATE TABLE thrown (
    log_offset   INTEGER PRIMARY KEY,
    unique_id    TEXT NOT NULL,
    namespace    TEXT NOT NULL,
    key          TEXT NOT NULL,
    scope        TEXT NOT NULL,
    created_time INTEGER NOT NULL,
    active_time  INTEGER NOT NULL,
    expires_time INTEGER NOT NULL,
    single       INTEGER NOT NULL,
    detail       TEXT NOT NULL
) STRICT;

CREATE INDEX thrown_by_age ON thrown (created_time);

-- One row for each destination of a thrown event: what waits in its queue, and later its history.
CREATE TABLE entries (
    log_offset    INTEGER NOT NULL REFERENCES thrown (log_offset) ON DELETE CASCADE,
    dest_id       TEXT NOT NULL,
    place         INTEGER NOT NULL,
    namespace     TEXT NOT NULL,
    key           TEXT NOT NULL,
    active_time   INTEGER NOT NULL,
    expires_time  INTEGER NOT NULL,
    status        TEXT NOT NULL,
    matched       INTEGER NOT NULL,
    reason        TEXT,
    consumed_by   TEXT,
    consumed_time INTEGER,
    PRIMARY KEY (log_offset, dest_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX entries_by_destination ON entries (dest_id, log_offset);
CREATE INDEX entries_queued ON entries (dest_id, log_offset) WHERE status = 'active';
CREATE INDEX entries_by_key ON entries (dest_id, namespace, key, log_offset) WHERE status = 'active';
CREATE INDEX entries_waiting ON entries (active_time, log_offset) WHERE status = 'active' AND matched = 0;
CREATE INDEX entries_expiring ON entries (expires_time) WHERE status = 'active';

-- Who has had a thrown event that several may have: a trigger of a scheduled event, or a program.
CREATE TABLE thrown_seen (
    log_offset INTEGER NOT NULL REFERENCES thrown (log_offset) ON DELETE CASCADE,
    seer       TEXT NOT NULL,
    PRIMARY KEY (log_offset, seer)
) STRICT, WITHOUT ROWID;

-- What the triggers of scheduled events wait for, so that what arrives finds its triggers and no others.
CREATE TABLE trigger_index (
    kind      TEXT NOT NULL,
    namespace TEXT NOT NULL,
    key       TEXT NOT NULL,
    event_key INTEGER NOT NULL REFERENCES events (key) ON DELETE CASCADE,
    dest_id   TEXT NOT NULL,
    PRIMARY KEY (kind, namespace, key, event_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX trigger_index_by_event ON trigger_index (event_key);

-- What triggers that wait for several events have so far.
CREATE TABLE trigger_progress (
    event_key  INTEGER NOT NULL REFERENCES events (key) ON DELETE CASCADE,
    trigger_id TEXT NOT NULL,
    state      TEXT NOT NULL,
    PRIMARY KEY (event_key, trigger_id)
) STRICT, WITHOUT ROWID;

-- Scheduled events that are new or changed and have yet to be laid against the entries which wait already.
CREATE TABLE trigger_looks (
    event_key INTEGER PRIMARY KEY REFERENCES events (key) ON DELETE CASCADE
) STRICT;

-- How many scheduled events live in each destination, and how many entries wait there; kept by triggers.
CREATE TABLE destinations (
    dest_id TEXT PRIMARY KEY,
    events  INTEGER NOT NULL DEFAULT 0,
    queued  INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

INSERT INTO destinations (dest_id, events) SELECT dest_id, count(*) FROM events GROUP BY dest_id;

CREATE TABLE variables (
    dest_id      TEXT NOT NULL,
    name         TEXT NOT NULL,
    value        TEXT NOT NULL,
    updated_time INTEGER NOT NULL,
    PRIMARY KEY (dest_id, name)
) STRICT, WITHOUT ROWID;

-- What became of each instruction of an execution, in the order in which they ended.
CREATE TABLE steps (
    id           INTEGER PRIMARY KEY,
    execution_id TEXT NOT NULL,
    path         TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    UNIQUE (execution_id, path)
) STRICT;

CREATE TRIGGER events_settled AFTER INSERT ON events BEGIN
    INSERT INTO destinations (dest_id, events) VALUES (new.dest_id, 1)
    ON CONFLICT (dest_id) DO UPDATE SET events = events + 1;
END;

CREATE TRIGGER events_moved AFTER UPDATE OF dest_id ON events WHEN new.dest_id <> old.dest_id BEGIN
    UPDATE destinations SET events = events - 1 WHERE dest_id = old.dest_id;
    INSERT INTO destinations (dest_id, events) VALUES (new.dest_id, 1)
    ON CONFLICT (dest_id) DO UPDATE SET events = events + 1;
    DELETE FROM destinations WHERE dest_id = old.dest_id AND events = 0 AND queued = 0;
END;

CREATE TRIGGER events_left AFTER DELETE ON events BEGIN
    UPDATE destinations SET events = events - 1 WHERE dest_id = old.dest_id;
    DELETE FROM destinations WHERE dest_id = old.dest_id AND events = 0 AND queued = 0;
END;

CREATE TRIGGER entries_added AFTER INSERT ON entries WHEN new.status = 'active' BEGIN
    INSERT INTO destinations (dest_id, queued) VALUES (new.dest_id, 1)
    ON CONFLICT (dest_id) DO UPDATE SET queued = queued + 1;
END;

CREATE TRIGGER entries_ended AFTER UPDATE OF status ON entries WHEN old.status = 'active' AND new.status <> 'active'
BEGIN
    UPDATE destinations SET queued = queued - 1 WHERE dest_id = old.dest_id;
    DELETE FROM destinations WHERE dest_id = old.dest_id AND events = 0 AND queued = 0;
END;

CREATE TRIGGER entries_removed AFTER DELETE ON entries WHEN old.status = 'active' BEGIN
    UPDATE destinations SET queued = queued - 1 WHERE dest_id = old.dest_id;
    DELETE FROM destinations WHERE dest_id = old.dest_id AND events = 0 AND queued = 0;
END;

CREATE TRIGGER executions_steps_removed AFTER DELETE ON executions BEGIN
    DELETE FROM steps WHERE execution_id = old.execution_id;
END;
