-- Why: the whole state of a cluster, in a form that keeps revision order equal to commit order.
--
-- `rev` is one row; every batch of writes locks it, so a revision is never visible before a smaller one.
-- `objects` is the current state, `changes` the log of every write: watches, history and time travel read it.
-- `writer` has a row per API server: its epoch fences late statements, its sequence settles unknown outcomes.
CREATE SCHEMA store;

CREATE TABLE store.rev (
    id          int2   PRIMARY KEY CHECK (id = 1),
    rv          bigint NOT NULL,                -- newest revision handed out
    compacted   bigint NOT NULL,                -- newest revision whose change was dropped
    span        bigint NOT NULL CHECK (span > 0), -- revisions per partition of `changes`
    incarnation bigint NOT NULL,                -- grows when the database is another one than before (restore, failover)
    origin      text                            -- system identifier and timeline of that database
) WITH (fillfactor = 10);
-- The first list of an empty cluster must not carry revision 0, which means "any" to clients.
INSERT INTO store.rev VALUES (1, 1, 0, 1000000, 1, NULL);

CREATE TABLE store.writer (
    id    uuid   PRIMARY KEY,
    epoch bigint NOT NULL,                      -- one per connection: fences late statements
    owner uuid   NOT NULL,                      -- one per life of the writer: fences an older one
    seq   bigint NOT NULL DEFAULT 0,            -- newest committed batch
    base  bigint NOT NULL DEFAULT 0,            -- revision before that batch
    seen  timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 10);

CREATE TABLE store.objects (
    res    text   COLLATE "C" NOT NULL,
    ns     text   COLLATE "C" NOT NULL,
    name   text   COLLATE "C" NOT NULL,
    uid    uuid   NOT NULL,
    rv     bigint NOT NULL,                     -- never index it: updates stay heap-only
    actor  text   NOT NULL,                     -- who wrote last
    labels jsonb  NOT NULL,
    data   json,                                -- json keeps the text as written, and takes \u0000
    sealed bytea,
    PRIMARY KEY (res, ns, name),
    CHECK ((data IS NULL) <> (sealed IS NULL))
) WITH (fillfactor = 80, toast_tuple_target = 4080);
CREATE INDEX objects_labels ON store.objects USING gin (labels jsonb_path_ops);

CREATE TABLE store.changes (
    rv          bigint PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    typ         "char" NOT NULL,                -- A(dded), M(odified), D(eleted)
    res         text   COLLATE "C" NOT NULL,
    ns          text   COLLATE "C" NOT NULL,
    name        text   COLLATE "C" NOT NULL,
    uid         uuid   NOT NULL,
    prev_rv     bigint,                         -- the object's revision before: its history is a chain
    actor       text   NOT NULL,
    data        json,
    sealed      bytea,
    prev_data   json,                           -- only on an object's first change within a partition,
    prev_sealed bytea                           -- so that older partitions can go
) PARTITION BY RANGE (rv);
-- Where the chains of deleted objects end. An index of every change by name would tax every write.
CREATE INDEX changes_deleted ON store.changes (res, ns, name, rv) WHERE typ = 'D';
