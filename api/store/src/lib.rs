//! The state in PostgreSQL: objects, changes, revisions, the change feed, the private cluster.
