-- One batch, one statement, one flush.
-- fence: this writer, this epoch, a new sequence; base: revisions, under the lock that orders all batches;
-- then every write with its precondition, each success into the log, one notification.
-- A write with charges (the rows before it, verb C) is made only if all of them are.
WITH op AS MATERIALIZED (
    SELECT t.ord, t.verb, t.res, t.ns, t.name, t.uid, t.expected, t.labels::jsonb AS labels,
           t.data::json AS data, t.sealed, t.actor, t.needs
    FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::bigint[],
                $10::text[], $11::text[], $12::bytea[], $13::text[], $15::bigint[])
         WITH ORDINALITY AS t(verb, res, ns, name, uid, expected, labels, data, sealed, actor, needs, ord)
), fence AS (
    SELECT id FROM store.writer WHERE id = $1 AND epoch = $2 AND seq < $3 FOR UPDATE
), base AS (
    UPDATE store.rev SET rv = rev.rv + $14 FROM fence WHERE rev.id = 1
    RETURNING rev.rv - $14 AS base, rev.rv AS newest, rev.span
), mark AS (
    UPDATE store.writer SET seq = $3, base = base.base, seen = now() FROM base WHERE writer.id = $1
), charged AS (
    UPDATE store.objects o
    SET rv = base.base + op.ord, actor = op.actor, labels = op.labels, data = op.data, sealed = op.sealed
    FROM op, base
    WHERE op.verb = 'C' AND o.res = op.res AND o.ns = op.ns AND o.name = op.name
      AND o.uid = op.uid AND o.rv = op.expected
    RETURNING o.rv, o.res, o.ns, o.name, o.uid, o.actor, o.data, o.sealed, op.expected, op.ord
), created AS (
    INSERT INTO store.objects (res, ns, name, uid, rv, actor, labels, data, sealed)
    SELECT op.res, op.ns, op.name, op.uid, base.base + op.ord, op.actor, op.labels, op.data, op.sealed
    FROM op, base
    WHERE op.verb = 'A'
      AND CASE WHEN op.needs = 0 THEN true ELSE op.needs =
          (SELECT count(*) FROM charged c WHERE c.ord < op.ord AND c.ord >= op.ord - op.needs) END
    ON CONFLICT DO NOTHING
    RETURNING rv, res, ns, name, uid, actor, data, sealed
), updated AS (
    UPDATE store.objects o
    SET rv = base.base + op.ord, actor = op.actor, labels = op.labels, data = op.data, sealed = op.sealed
    FROM op, base
    WHERE op.verb = 'M' AND o.res = op.res AND o.ns = op.ns AND o.name = op.name
      AND o.uid = op.uid AND o.rv = op.expected
      AND CASE WHEN op.needs = 0 THEN true ELSE op.needs =
          (SELECT count(*) FROM charged c WHERE c.ord < op.ord AND c.ord >= op.ord - op.needs) END
    RETURNING o.rv, o.res, o.ns, o.name, o.uid, o.actor, o.data, o.sealed, op.expected
), deleted AS (
    DELETE FROM store.objects o USING op, base
    WHERE op.verb = 'D' AND o.res = op.res AND o.ns = op.ns AND o.name = op.name
      AND o.uid = op.uid AND o.rv = op.expected
    RETURNING base.base + op.ord AS rv, op.res, op.ns, op.name, op.uid, op.actor, op.data, op.sealed, op.expected
), done AS (
    SELECT 'A' AS typ, rv, res, ns, name, uid, actor, data, sealed, NULL::bigint AS prev FROM created
    UNION ALL SELECT 'M', * FROM updated
    UNION ALL SELECT 'M', rv, res, ns, name, uid, actor, data, sealed, expected FROM charged
    UNION ALL SELECT 'D', * FROM deleted
), logged AS (
    INSERT INTO store.changes (rv, typ, res, ns, name, uid, prev_rv, actor, data, sealed, prev_data, prev_sealed)
    SELECT d.rv, d.typ::"char", d.res, d.ns, d.name, d.uid, d.prev, d.actor, d.data, d.sealed,
           -- The scalar subqueries run only for an object's first change within a partition.
           CASE WHEN d.prev < d.rv / base.span * base.span THEN
               (SELECT o.data FROM store.objects o WHERE o.res = d.res AND o.ns = d.ns AND o.name = d.name) END,
           CASE WHEN d.prev < d.rv / base.span * base.span THEN
               (SELECT o.sealed FROM store.objects o WHERE o.res = d.res AND o.ns = d.ns AND o.name = d.name) END
    FROM base, done d
    RETURNING rv
)
SELECT base.base, base.newest, ARRAY(SELECT logged.rv - base.base FROM logged) AS done,
       pg_notify('podium', $1 || ' ' || base.newest)::text AS notified
FROM base
