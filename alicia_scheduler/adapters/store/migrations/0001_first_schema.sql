-- The first schema. Instants are microseconds since the epoch, UTC. JSON columns hold text.

-- One row: the service mark, and how many rows the large tables hold (kept by triggers, so nobody counts them).
CREATE TABLE meta (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    next_key      INTEGER NOT NULL,
    next_fence    INTEGER NOT NULL,
    next_sequence INTEGER NOT NULL,
    alive_time    INTEGER,
    clean         INTEGER NOT NULL,
    starts        INTEGER NOT NULL,
    events        INTEGER NOT NULL DEFAULT 0,
    executions    INTEGER NOT NULL DEFAULT 0,
    outbox        INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO meta (id, next_key, next_fence, next_sequence, clean, starts) VALUES (1, 1, 1, 1, 1, 0);

-- Scheduled events as they were defined: wide, written when somebody edits one.
CREATE TABLE events (
    key           INTEGER PRIMARY KEY,
    event_id      TEXT NOT NULL,
    revision      INTEGER NOT NULL,
    origin        TEXT NOT NULL,
    namespace     TEXT NOT NULL,
    module_id     TEXT,
    schedule_type TEXT NOT NULL,
    folded_name   TEXT NOT NULL,
    tags          TEXT NOT NULL,
    created_time  INTEGER NOT NULL,
    updated_time  INTEGER NOT NULL,
    definition    TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX events_by_id ON events (event_id);
-- Holds every column a listing filters by, so that a filter nothing else serves reads this index and not the wide rows.
CREATE INDEX events_listing ON events (event_id, namespace, schedule_type, module_id, origin, folded_name);
CREATE INDEX events_by_module ON events (module_id, event_id) WHERE module_id IS NOT NULL;
CREATE INDEX events_declared ON events (origin, event_id) WHERE origin <> 'bus';

-- The tags of the events once more, one row each, so that a listing by tag reads only what it returns.
CREATE TABLE event_tags (
    tag      TEXT NOT NULL,
    event_id TEXT NOT NULL,
    key      INTEGER NOT NULL,
    PRIMARY KEY (tag, event_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX event_tags_by_key ON event_tags (key);

-- Where the timer of each event stands: narrow, written at every fire. `detail` holds the fields that are seldom set.
CREATE TABLE states (
    key           INTEGER PRIMARY KEY REFERENCES events (key) ON DELETE CASCADE,
    event_id      TEXT NOT NULL,
    status        TEXT NOT NULL,
    mark_time     INTEGER NOT NULL,
    anchor_time   INTEGER NOT NULL,
    next_time     INTEGER,
    wake_time     INTEGER,
    generation    INTEGER NOT NULL,
    unfinished    INTEGER NOT NULL,
    fired_count   INTEGER NOT NULL,
    run_count     INTEGER NOT NULL,
    success_count INTEGER NOT NULL,
    failure_count INTEGER NOT NULL,
    skipped_count INTEGER NOT NULL,
    missed_count  INTEGER NOT NULL,
    last_run_time INTEGER,
    last_status   TEXT,
    detail        TEXT
) STRICT;

CREATE INDEX states_by_wake ON states (wake_time) WHERE wake_time IS NOT NULL;
CREATE INDEX states_not_active ON states (status, event_id) WHERE status <> 'active';

-- Executions, also of events that are gone. `detail` holds what is neither searched for nor ordered by.
CREATE TABLE executions (
    id             INTEGER PRIMARY KEY,
    execution_id   TEXT NOT NULL,
    event_key      INTEGER NOT NULL,
    event_id       TEXT NOT NULL,
    status         TEXT NOT NULL,
    triggered_by   TEXT NOT NULL,
    scheduled_time INTEGER NOT NULL,
    due_time       INTEGER NOT NULL,
    created_time   INTEGER NOT NULL,
    priority       INTEGER NOT NULL,
    held           INTEGER NOT NULL,
    retry_time     INTEGER,
    end_time       INTEGER,
    detail         TEXT NOT NULL
) STRICT;

-- Makes planning a fire twice impossible.
CREATE UNIQUE INDEX executions_by_id ON executions (execution_id);
CREATE INDEX executions_by_event ON executions (event_id, scheduled_time);
CREATE INDEX executions_by_time ON executions (scheduled_time, execution_id);
CREATE INDEX executions_ready ON executions (priority DESC, due_time, execution_id)
    WHERE status = 'pending' AND held = 0;
CREATE INDEX executions_retrying ON executions (retry_time, priority, due_time, execution_id)
    WHERE status = 'retrying';
CREATE INDEX executions_running ON executions (event_key) WHERE status = 'running';
CREATE INDEX executions_unfinished ON executions (event_key) WHERE status IN ('pending', 'running', 'retrying');
CREATE INDEX executions_ended ON executions (coalesce(end_time, created_time))
    WHERE status NOT IN ('pending', 'running', 'retrying');
CREATE INDEX executions_unusual ON executions (status, scheduled_time, execution_id)
    WHERE status IN ('failed', 'timed_out', 'cancelled', 'skipped', 'missed');
CREATE INDEX executions_by_cause ON executions (triggered_by, scheduled_time, execution_id)
    WHERE triggered_by <> 'scheduler';

-- The answers that request ids got.
CREATE TABLE requests (
    request_id    TEXT PRIMARY KEY,
    fingerprint   TEXT NOT NULL,
    answer        TEXT NOT NULL,
    answered_time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX requests_by_age ON requests (answered_time);

-- Messages that wait for the broker. Bytes that are not text are stored as base64, and `encoded` says which.
CREATE TABLE outbox (
    sequence     INTEGER PRIMARY KEY,
    topic        TEXT NOT NULL,
    payload      TEXT NOT NULL,
    encoded      INTEGER NOT NULL,
    created_time INTEGER NOT NULL,
    detail       TEXT NOT NULL
) STRICT;

CREATE TRIGGER events_added AFTER INSERT ON events BEGIN
    UPDATE meta SET events = events + 1;
    INSERT INTO event_tags (tag, event_id, key) SELECT DISTINCT value, new.event_id, new.key FROM json_each(new.tags);
END;

CREATE TRIGGER events_retagged AFTER UPDATE OF tags ON events WHEN new.tags <> old.tags BEGIN
    DELETE FROM event_tags WHERE key = old.key;
    INSERT INTO event_tags (tag, event_id, key) SELECT DISTINCT value, new.event_id, new.key FROM json_each(new.tags);
END;

CREATE TRIGGER events_removed AFTER DELETE ON events BEGIN
    UPDATE meta SET events = events - 1;
    DELETE FROM event_tags WHERE key = old.key;
END;

CREATE TRIGGER executions_added AFTER INSERT ON executions BEGIN
    UPDATE meta SET executions = executions + 1;
END;

CREATE TRIGGER executions_removed AFTER DELETE ON executions BEGIN
    UPDATE meta SET executions = executions - 1;
END;

CREATE TRIGGER outbox_added AFTER INSERT ON outbox BEGIN
    UPDATE meta SET outbox = outbox + 1;
END;

CREATE TRIGGER outbox_removed AFTER DELETE ON outbox BEGIN
    UPDATE meta SET outbox = outbox - 1;
END;
