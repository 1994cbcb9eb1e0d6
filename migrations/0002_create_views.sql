-- Why: users read the cluster with plain SQL, without knowing how it is stored.
--
-- One view per kind with the columns people ask for first; `data` holds the rest. Each object's text is
-- taken apart once (json_to_record). Sealed kinds show no data.
CREATE SCHEMA podium;

CREATE VIEW podium.objects AS
SELECT res AS resource, ns AS namespace, name, uid, rv AS revision, labels, actor, data FROM store.objects;

CREATE VIEW podium.history AS
SELECT rv AS revision, at,
       CASE typ WHEN 'A' THEN 'ADDED' WHEN 'M' THEN 'MODIFIED' ELSE 'DELETED' END AS change,
       res AS resource, ns AS namespace, name, uid, actor, prev_rv AS previous_revision, data
FROM store.changes;

CREATE VIEW podium.namespaces AS
SELECT o.name, d.status ->> 'phase' AS phase, (d.metadata ->> 'creationTimestamp')::timestamptz AS created,
       o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(metadata json, status json) WHERE o.res = 'namespaces';

CREATE VIEW podium.nodes AS
SELECT o.name,
       (SELECT c ->> 'status' FROM json_array_elements(d.status -> 'conditions') c WHERE c ->> 'type' = 'Ready') AS ready,
       coalesce((d.spec ->> 'unschedulable')::boolean, false) AS unschedulable, d.spec ->> 'podCIDR' AS pod_cidr,
       d.status -> 'nodeInfo' ->> 'kubeletVersion' AS version,
       d.status -> 'capacity' ->> 'cpu' AS cpu, d.status -> 'capacity' ->> 'memory' AS memory,
       (d.metadata ->> 'creationTimestamp')::timestamptz AS created, o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(metadata json, spec json, status json) WHERE o.res = 'nodes';

CREATE VIEW podium.pods AS
SELECT o.ns AS namespace, o.name, d.spec ->> 'nodeName' AS node, d.status ->> 'phase' AS phase,
       d.status ->> 'podIP' AS ip,
       (SELECT coalesce(sum((c ->> 'restartCount')::int), 0)
        FROM json_array_elements(d.status -> 'containerStatuses') c) AS restarts,
       w.kind AS owner_kind, w.name AS owner, d.status ->> 'qosClass' AS qos,
       (d.metadata ->> 'creationTimestamp')::timestamptz AS created,
       (d.metadata ->> 'deletionTimestamp')::timestamptz AS deleting, o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o
CROSS JOIN json_to_record(o.data) AS d(metadata json, spec json, status json)
LEFT JOIN LATERAL (SELECT r ->> 'kind' AS kind, r ->> 'name' AS name
                   FROM json_array_elements(d.metadata -> 'ownerReferences') r
                   WHERE (r ->> 'controller')::boolean LIMIT 1) w ON true
WHERE o.res = 'pods';

CREATE VIEW podium.deployments AS
SELECT o.ns AS namespace, o.name, coalesce((d.spec ->> 'replicas')::int, 1) AS replicas,
       coalesce((d.status ->> 'readyReplicas')::int, 0) AS ready,
       coalesce((d.status ->> 'updatedReplicas')::int, 0) AS updated,
       coalesce((d.status ->> 'availableReplicas')::int, 0) AS available,
       (d.metadata ->> 'creationTimestamp')::timestamptz AS created, o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(metadata json, spec json, status json)
WHERE o.res = 'deployments.apps';

CREATE VIEW podium.replicasets AS
SELECT o.ns AS namespace, o.name, coalesce((d.spec ->> 'replicas')::int, 1) AS replicas,
       coalesce((d.status ->> 'readyReplicas')::int, 0) AS ready,
       coalesce((d.status ->> 'availableReplicas')::int, 0) AS available,
       (SELECT r ->> 'name' FROM json_array_elements(d.metadata -> 'ownerReferences') r
        WHERE (r ->> 'controller')::boolean LIMIT 1) AS owner,
       (d.metadata ->> 'creationTimestamp')::timestamptz AS created, o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(metadata json, spec json, status json)
WHERE o.res = 'replicasets.apps';

CREATE VIEW podium.services AS
SELECT o.ns AS namespace, o.name, d.spec ->> 'type' AS type, d.spec ->> 'clusterIP' AS cluster_ip,
       (SELECT string_agg((p ->> 'port') || '/' || coalesce(p ->> 'protocol', 'TCP'), ',')
        FROM json_array_elements(d.spec -> 'ports') p) AS ports, d.spec -> 'selector' AS selector,
       (d.metadata ->> 'creationTimestamp')::timestamptz AS created, o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(metadata json, spec json) WHERE o.res = 'services';

CREATE VIEW podium.endpoints AS
SELECT o.ns AS namespace, o.name, d.subsets, o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(subsets json) WHERE o.res = 'endpoints';

CREATE VIEW podium.endpointslices AS
SELECT o.ns AS namespace, o.name, o.labels ->> 'kubernetes.io/service-name' AS service,
       d."addressType" AS address_type, d.endpoints, d.ports, o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d("addressType" text, endpoints json, ports json)
WHERE o.res = 'endpointslices.discovery.k8s.io';

CREATE VIEW podium.configmaps AS
SELECT o.ns AS namespace, o.name, coalesce(d.immutable, false) AS immutable,
       (d.metadata ->> 'creationTimestamp')::timestamptz AS created, o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(metadata json, immutable boolean) WHERE o.res = 'configmaps';

CREATE VIEW podium.secrets AS
SELECT ns AS namespace, name, labels, uid, rv AS revision FROM store.objects WHERE res = 'secrets';

CREATE VIEW podium.serviceaccounts AS
SELECT ns AS namespace, name, labels, uid, rv AS revision, data FROM store.objects WHERE res = 'serviceaccounts';

CREATE VIEW podium.events AS
SELECT o.ns AS namespace, o.name, d.type, d.reason, d."involvedObject" ->> 'kind' AS object_kind,
       d."involvedObject" ->> 'name' AS object, d.message, coalesce(d.count, 1) AS count,
       coalesce(d."lastTimestamp", d."eventTime") AS last_seen, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(type text, reason text, "involvedObject" json, message text,
     count int, "lastTimestamp" timestamptz, "eventTime" timestamptz) WHERE o.res = 'events';

CREATE VIEW podium.leases AS
SELECT o.ns AS namespace, o.name, d.spec ->> 'holderIdentity' AS holder,
       (d.spec ->> 'renewTime')::timestamptz AS renewed, (d.spec ->> 'leaseTransitions')::int AS transitions,
       o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(spec json) WHERE o.res = 'leases.coordination.k8s.io';
