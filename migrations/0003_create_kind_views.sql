-- Why: users read workloads, storage and permissions with plain SQL, as they read pods.
--
-- One view per kind with the columns people ask for first; `data` holds the rest.
CREATE VIEW podium.statefulsets AS
SELECT o.ns AS namespace, o.name, coalesce((d.spec ->> 'replicas')::int, 1) AS replicas,
       coalesce((d.status ->> 'readyReplicas')::int, 0) AS ready,
       coalesce((d.status ->> 'updatedReplicas')::int, 0) AS updated, d.spec ->> 'serviceName' AS service,
       (d.metadata ->> 'creationTimestamp')::timestamptz AS created, o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(metadata json, spec json, status json)
WHERE o.res = 'statefulsets.apps';

CREATE VIEW podium.daemonsets AS
SELECT o.ns AS namespace, o.name, coalesce((d.status ->> 'desiredNumberScheduled')::int, 0) AS desired,
       coalesce((d.status ->> 'numberReady')::int, 0) AS ready,
       coalesce((d.status ->> 'updatedNumberScheduled')::int, 0) AS updated,
       (d.metadata ->> 'creationTimestamp')::timestamptz AS created, o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(metadata json, status json) WHERE o.res = 'daemonsets.apps';

CREATE VIEW podium.jobs AS
SELECT o.ns AS namespace, o.name, (d.spec ->> 'completions')::int AS completions,
       coalesce((d.status ->> 'active')::int, 0) AS active, coalesce((d.status ->> 'succeeded')::int, 0) AS succeeded,
       coalesce((d.status ->> 'failed')::int, 0) AS failed, (d.status ->> 'startTime')::timestamptz AS started,
       (d.status ->> 'completionTime')::timestamptz AS completed,
       (SELECT r ->> 'name' FROM json_array_elements(d.metadata -> 'ownerReferences') r
        WHERE (r ->> 'controller')::boolean LIMIT 1) AS owner,
       (d.metadata ->> 'creationTimestamp')::timestamptz AS created, o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(metadata json, spec json, status json) WHERE o.res = 'jobs.batch';

CREATE VIEW podium.cronjobs AS
SELECT o.ns AS namespace, o.name, d.spec ->> 'schedule' AS schedule, d.spec ->> 'timeZone' AS time_zone,
       coalesce((d.spec ->> 'suspend')::boolean, false) AS suspended,
       (d.status ->> 'lastScheduleTime')::timestamptz AS last_scheduled,
       (d.metadata ->> 'creationTimestamp')::timestamptz AS created, o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(metadata json, spec json, status json)
WHERE o.res = 'cronjobs.batch';

CREATE VIEW podium.horizontalpodautoscalers AS
SELECT o.ns AS namespace, o.name, d.spec -> 'scaleTargetRef' ->> 'kind' AS target_kind,
       d.spec -> 'scaleTargetRef' ->> 'name' AS target, (d.spec ->> 'minReplicas')::int AS min_replicas,
       (d.spec ->> 'maxReplicas')::int AS max_replicas, (d.status ->> 'currentReplicas')::int AS replicas,
       o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(spec json, status json)
WHERE o.res = 'horizontalpodautoscalers.autoscaling';

CREATE VIEW podium.poddisruptionbudgets AS
SELECT o.ns AS namespace, o.name, d.spec ->> 'minAvailable' AS min_available,
       d.spec ->> 'maxUnavailable' AS max_unavailable, (d.status ->> 'disruptionsAllowed')::int AS allowed,
       o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(spec json, status json)
WHERE o.res = 'poddisruptionbudgets.policy';

CREATE VIEW podium.persistentvolumeclaims AS
SELECT o.ns AS namespace, o.name, d.status ->> 'phase' AS phase, d.spec ->> 'volumeName' AS volume,
       d.spec -> 'resources' -> 'requests' ->> 'storage' AS requested, d.status -> 'capacity' ->> 'storage' AS capacity,
       d.spec ->> 'storageClassName' AS class, o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(spec json, status json) WHERE o.res = 'persistentvolumeclaims';

CREATE VIEW podium.persistentvolumes AS
SELECT o.name, d.status ->> 'phase' AS phase, d.spec -> 'capacity' ->> 'storage' AS capacity,
       d.spec -> 'claimRef' ->> 'namespace' AS claim_namespace, d.spec -> 'claimRef' ->> 'name' AS claim,
       d.spec ->> 'storageClassName' AS class, o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(spec json, status json) WHERE o.res = 'persistentvolumes';

CREATE VIEW podium.ingresses AS
SELECT o.ns AS namespace, o.name, d.spec ->> 'ingressClassName' AS class,
       (SELECT string_agg(r ->> 'host', ',') FROM json_array_elements(d.spec -> 'rules') r) AS hosts,
       o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(spec json) WHERE o.res = 'ingresses.networking.k8s.io';

CREATE VIEW podium.roles AS
SELECT o.ns AS namespace, o.name, d.rules, o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(rules json) WHERE o.res = 'roles.rbac.authorization.k8s.io';

CREATE VIEW podium.clusterroles AS
SELECT o.name, d.rules, o.labels, o.uid, o.rv AS revision, o.data
FROM store.objects o, json_to_record(o.data) AS d(rules json) WHERE o.res = 'clusterroles.rbac.authorization.k8s.io';

-- Who has which role where; an empty namespace means everywhere.
CREATE VIEW podium.grants AS
SELECT o.ns AS namespace, o.name AS binding, d."roleRef" ->> 'kind' AS role_kind, d."roleRef" ->> 'name' AS role,
       s ->> 'kind' AS subject_kind, s ->> 'namespace' AS subject_namespace, s ->> 'name' AS subject, o.rv AS revision
FROM store.objects o, json_to_record(o.data) AS d("roleRef" json, subjects json), json_array_elements(d.subjects) s
WHERE o.res IN ('rolebindings.rbac.authorization.k8s.io', 'clusterrolebindings.rbac.authorization.k8s.io');

-- The other kinds: what every object has.
DO $$
DECLARE
    kind record;
BEGIN
    FOR kind IN SELECT * FROM (VALUES
        ('apiservices', 'apiservices.apiregistration.k8s.io', false),
        ('certificatesigningrequests', 'certificatesigningrequests.certificates.k8s.io', false),
        ('clusterrolebindings', 'clusterrolebindings.rbac.authorization.k8s.io', false),
        ('controllerrevisions', 'controllerrevisions.apps', false),
        ('csidrivers', 'csidrivers.storage.k8s.io', false),
        ('csinodes', 'csinodes.storage.k8s.io', false),
        ('csistoragecapacities', 'csistoragecapacities.storage.k8s.io', false),
        ('customresourcedefinitions', 'customresourcedefinitions.apiextensions.k8s.io', false),
        ('deviceclasses', 'deviceclasses.resource.k8s.io', false),
        ('flowschemas', 'flowschemas.flowcontrol.apiserver.k8s.io', false),
        ('ingressclasses', 'ingressclasses.networking.k8s.io', false),
        ('ipaddresses', 'ipaddresses.networking.k8s.io', false),
        ('limitranges', 'limitranges', false),
        ('mutatingadmissionpolicies', 'mutatingadmissionpolicies.admissionregistration.k8s.io', false),
        ('mutatingadmissionpolicybindings', 'mutatingadmissionpolicybindings.admissionregistration.k8s.io', false),
        ('mutatingwebhookconfigurations', 'mutatingwebhookconfigurations.admissionregistration.k8s.io', false),
        ('networkpolicies', 'networkpolicies.networking.k8s.io', false),
        ('podtemplates', 'podtemplates', false),
        ('priorityclasses', 'priorityclasses.scheduling.k8s.io', false),
        ('prioritylevelconfigurations', 'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io', false),
        ('replicationcontrollers', 'replicationcontrollers', false),
        ('resourceclaims', 'resourceclaims.resource.k8s.io', false),
        ('resourceclaimtemplates', 'resourceclaimtemplates.resource.k8s.io', false),
        ('resourcequotas', 'resourcequotas', false),
        ('resourceslices', 'resourceslices.resource.k8s.io', false),
        ('rolebindings', 'rolebindings.rbac.authorization.k8s.io', true),
        ('runtimeclasses', 'runtimeclasses.node.k8s.io', false),
        ('servicecidrs', 'servicecidrs.networking.k8s.io', false),
        ('storageclasses', 'storageclasses.storage.k8s.io', false),
        ('validatingadmissionpolicies', 'validatingadmissionpolicies.admissionregistration.k8s.io', false),
        ('validatingadmissionpolicybindings', 'validatingadmissionpolicybindings.admissionregistration.k8s.io', false),
        ('validatingwebhookconfigurations', 'validatingwebhookconfigurations.admissionregistration.k8s.io', false),
        ('volumeattachments', 'volumeattachments.storage.k8s.io', false),
        ('volumeattributesclasses', 'volumeattributesclasses.storage.k8s.io', false)
    ) AS k(plural, res, namespaced) LOOP
        EXECUTE format('CREATE VIEW podium.%I AS SELECT %s name, '
            '(data -> ''metadata'' ->> ''creationTimestamp'')::timestamptz AS created, '
            'labels, uid, rv AS revision, data FROM store.objects WHERE res = %L',
            kind.plural, CASE WHEN kind.namespaced THEN 'ns AS namespace,' ELSE '' END, kind.res);
    END LOOP;
END $$;
