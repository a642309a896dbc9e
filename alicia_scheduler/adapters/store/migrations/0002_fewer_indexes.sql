-- Running executions are found among the unfinished ones: an index of their own changed twice at every fire.
DROP INDEX executions_running;
