-- Running executions are found among the unfinished ones: an index of their own changed twice at every fire.
DROP INDEX executions_running;

-- Rises with every transaction that writes.
ALTER TABLE meta ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;

-- A process that no longer owns the store cannot write to it: whoever took it over has raised `starts`.
CREATE TRIGGER meta_owner BEFORE UPDATE OF serial ON meta
WHEN NOT (new.starts >= old.starts AND new.serial > old.serial) BEGIN
    SELECT RAISE(ABORT, 'another process has taken the store over');
END;
