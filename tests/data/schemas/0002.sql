-- A store of schema 2, with rows in every table; written by version 0.1.0.
PRAGMA application_id = 1097623907;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE event_tags (
    tag      TEXT NOT NULL,
    event_id TEXT NOT NULL,
    key      INTEGER NOT NULL,
    PRIMARY KEY (tag, event_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "event_tags" VALUES('küche','plain',1);
INSERT INTO "event_tags" VALUES('light','plain',1);
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
INSERT INTO "events" VALUES(1,'plain',1,'bus','default',NULL,'interval','plain','["light","k\u00fcche"]',1772366400123457,1772366401123457,'{"event_id":"plain","name":"plain","description":"","namespace":"default","module_id":null,"dest_id":"default","tags":["light","küche"],"metadata":{},"schedule_type":"interval","schedule_config":{"every":300,"align":false,"mode":"fixed_rate"},"timezone":"UTC","start_at":null,"end_at":null,"max_executions":null,"jitter":0,"exclude":[],"dst":{},"allow_past":false,"misfire_grace":60,"catch_up":"last","catch_up_window":null,"catch_up_max":100,"on_resume":"skip","overlap_policy":"skip","max_concurrent":10,"queue_limit":100,"priority":0,"max_retries":3,"retry_delay":60,"retry_backoff":2.0,"retry_max_delay":3600,"retry_jitter":0,"until_next_fire":true,"timeout":300,"delivery":"at_least_once","triggers":[],"action":{"type":"mqtt_publish","topic":"lamp/plain/set","message":{"state":"ON"},"qos":1,"retain":false,"expiry":null,"metadata":"auto","expect":null,"expect_ack":false},"enabled":true,"trace_enabled":true}');
INSERT INTO "events" VALUES(2,'cron',4,'file:home.yaml','default','m','cron','cron','[]',1772366400123457,1772366401123457,'{"event_id":"cron","name":"cron","description":"","namespace":"default","module_id":"m","dest_id":"default","tags":[],"metadata":{},"schedule_type":"cron","schedule_config":{"cron_expression":"0 7 * * mon-fri","day_logic":"auto"},"timezone":"Europe/Berlin","start_at":null,"end_at":null,"max_executions":null,"jitter":0,"exclude":[],"dst":{},"allow_past":false,"misfire_grace":60,"catch_up":"last","catch_up_window":null,"catch_up_max":100,"on_resume":"skip","overlap_policy":"skip","max_concurrent":10,"queue_limit":100,"priority":0,"max_retries":3,"retry_delay":60,"retry_backoff":2.0,"retry_max_delay":3600,"retry_jitter":0,"until_next_fire":true,"timeout":300,"delivery":"at_least_once","triggers":[],"action":{"type":"mqtt_publish","topic":"lamp/cron/set","message":{"state":"ON"},"qos":1,"retain":false,"expiry":null,"metadata":"auto","expect":null,"expect_ack":false},"enabled":true,"trace_enabled":true}');
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
INSERT INTO "executions" VALUES(1,'full',1,'plain','retrying','catch_up',1772366400123457,1772366401123457,1772366402123457,-7,1,1772366405123457,1772366404123457,'{"name":"\u00dc","reason":"catch_up","attempt":2,"fence":99,"result":{"status":200,"body":["\u00e9",null,1.5,1180591620717411303424,true,{"a\u0000b":""}]},"error_message":"no","error_code":"publish_refused","missed_count":4,"crash_count":1,"trace_id":"trace","payload":[{"level":0},"text"],"start_time":1772366403123457,"last_missed_time":1772366406123457,"attempts":[[1,1772366400123457,1772366401123457,"failed","refused"],[2,1772366401123457,null,"running",null]]}');
INSERT INTO "executions" VALUES(2,'done',1,'plain','completed','scheduler',1772366400123457,1772366400123457,1772366400123457,0,0,NULL,1772366400123457,'{"name":"plain","result":{"a":1}}');
INSERT INTO "executions" VALUES(3,'waits',2,'cron','pending','scheduler',1772366400123457,1772366400123457,1772366400123457,0,0,NULL,NULL,'{"name":"cron"}');
INSERT INTO "executions" VALUES(4,'gone',9,'gone','missed','scheduler',1772366400123457,1772366400123457,1772366400123457,0,0,NULL,NULL,'{"name":"gone","missed_count":7,"last_missed_time":1772366401123457}');
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
, serial INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "meta" VALUES(1,3,100,3,1772366400123457,1,5,2,4,2,0);
CREATE TABLE outbox (
    sequence     INTEGER PRIMARY KEY,
    topic        TEXT NOT NULL,
    payload      TEXT NOT NULL,
    encoded      INTEGER NOT NULL,
    created_time INTEGER NOT NULL,
    detail       TEXT NOT NULL
) STRICT;
INSERT INTO "outbox" VALUES(1,'out/1','{"a": 1}',0,1772366400123457,'{}');
INSERT INTO "outbox" VALUES(2,'bytes','AP8=',1,1772366400123457,'{"qos":0,"retain":true}');
CREATE TABLE requests (
    request_id    TEXT PRIMARY KEY,
    fingerprint   TEXT NOT NULL,
    answer        TEXT NOT NULL,
    answered_time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "requests" VALUES('r','ffffffffffffffffffffffffffffffff','{"status":"ok","name":"ü\u0000"}',1772366400123457);
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
INSERT INTO "states" VALUES(1,'plain','active',1772366400123457,1772366400123457,1772366401123457,1772366401123457,0,0,0,0,0,0,0,0,NULL,NULL,NULL);
INSERT INTO "states" VALUES(2,'cron','paused',1772366400123457,1737806400123457,1772366401123457,1772366402123457,3,1,5,6,7,8,9,10,1772366399123457,'timed_out','{"last_error":"no \"answer\"\n\u0000 \ud800 \u00fc\u20ac\ud83d\ude00","paused_at":1772366397123457,"paused_until":1772366404123457,"pause_note":"Ferien \u2014 bis Montag","pause_cause":"user"}');
CREATE UNIQUE INDEX events_by_id ON events (event_id);
CREATE INDEX events_listing ON events (event_id, namespace, schedule_type, module_id, origin, folded_name);
CREATE INDEX events_by_module ON events (module_id, event_id) WHERE module_id IS NOT NULL;
CREATE INDEX events_declared ON events (origin, event_id) WHERE origin <> 'bus';
CREATE INDEX event_tags_by_key ON event_tags (key);
CREATE INDEX states_by_wake ON states (wake_time) WHERE wake_time IS NOT NULL;
CREATE INDEX states_not_active ON states (status, event_id) WHERE status <> 'active';
CREATE UNIQUE INDEX executions_by_id ON executions (execution_id);
CREATE INDEX executions_by_event ON executions (event_id, scheduled_time);
CREATE INDEX executions_by_time ON executions (scheduled_time, execution_id);
CREATE INDEX executions_ready ON executions (priority DESC, due_time, execution_id)
    WHERE status = 'pending' AND held = 0;
CREATE INDEX executions_retrying ON executions (retry_time, priority, due_time, execution_id)
    WHERE status = 'retrying';
CREATE INDEX executions_unfinished ON executions (event_key) WHERE status IN ('pending', 'running', 'retrying');
CREATE INDEX executions_ended ON executions (coalesce(end_time, created_time))
    WHERE status NOT IN ('pending', 'running', 'retrying');
CREATE INDEX executions_unusual ON executions (status, scheduled_time, execution_id)
    WHERE status IN ('failed', 'timed_out', 'cancelled', 'skipped', 'missed');
CREATE INDEX executions_by_cause ON executions (triggered_by, scheduled_time, execution_id)
    WHERE triggered_by <> 'scheduler';
CREATE INDEX requests_by_age ON requests (answered_time);
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
CREATE TRIGGER meta_owner BEFORE UPDATE OF serial ON meta
WHEN NOT (new.starts >= old.starts AND new.serial > old.serial) BEGIN
    SELECT RAISE(ABORT, 'another process has taken the store over');
END;
COMMIT;
