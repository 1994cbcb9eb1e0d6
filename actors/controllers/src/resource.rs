//! Storage names of the kinds that controllers read and write.

/// Pods.
pub const PODS: &str = "pods";
/// Nodes.
pub const NODES: &str = "nodes";
/// Namespaces.
pub const NAMESPACES: &str = "namespaces";
/// Services.
pub const SERVICES: &str = "services";
/// ServiceAccounts.
pub const SERVICE_ACCOUNTS: &str = "serviceaccounts";
/// Secrets.
pub const SECRETS: &str = "secrets";
/// ConfigMaps.
pub const CONFIG_MAPS: &str = "configmaps";
/// Events of the core group.
pub const EVENTS: &str = "events";
/// Endpoints.
pub const ENDPOINTS: &str = "endpoints";
/// EndpointSlices.
pub const ENDPOINT_SLICES: &str = "endpointslices.discovery.k8s.io";
/// Leases.
pub const LEASES: &str = "leases.coordination.k8s.io";
/// ReplicaSets.
pub const REPLICA_SETS: &str = "replicasets.apps";
/// Deployments.
pub const DEPLOYMENTS: &str = "deployments.apps";
/// StatefulSets.
pub const STATEFUL_SETS: &str = "statefulsets.apps";
/// DaemonSets.
pub const DAEMON_SETS: &str = "daemonsets.apps";
/// ControllerRevisions.
pub const CONTROLLER_REVISIONS: &str = "controllerrevisions.apps";
/// Jobs.
pub const JOBS: &str = "jobs.batch";
/// CronJobs.
pub const CRON_JOBS: &str = "cronjobs.batch";
/// ReplicationControllers.
pub const REPLICATION_CONTROLLERS: &str = "replicationcontrollers";
/// PersistentVolumeClaims.
pub const CLAIMS: &str = "persistentvolumeclaims";
/// PersistentVolumes.
pub const VOLUMES: &str = "persistentvolumes";
/// StorageClasses.
pub const STORAGE_CLASSES: &str = "storageclasses.storage.k8s.io";
/// PodDisruptionBudgets.
pub const BUDGETS: &str = "poddisruptionbudgets.policy";
/// ResourceQuotas.
pub const QUOTAS: &str = "resourcequotas";
/// HorizontalPodAutoscalers.
pub const AUTOSCALERS: &str = "horizontalpodautoscalers.autoscaling";
/// ClusterRoles.
pub const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
/// ClusterRoleBindings.
pub const CLUSTER_ROLE_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";
/// CertificateSigningRequests.
pub const SIGNING_REQUESTS: &str = "certificatesigningrequests.certificates.k8s.io";

/// What pods with volumes wait for.
pub const STORAGE: &[&str] = &[CLAIMS, VOLUMES, STORAGE_CLASSES, "csinodes.storage.k8s.io"];

const WELL_KNOWN: &[&str] = &[
    PODS,
    NODES,
    NAMESPACES,
    SERVICES,
    SERVICE_ACCOUNTS,
    SECRETS,
    CONFIG_MAPS,
    EVENTS,
    ENDPOINTS,
    ENDPOINT_SLICES,
    LEASES,
    REPLICA_SETS,
    DEPLOYMENTS,
    STATEFUL_SETS,
    DAEMON_SETS,
    CONTROLLER_REVISIONS,
    JOBS,
    CRON_JOBS,
    REPLICATION_CONTROLLERS,
    CLAIMS,
    VOLUMES,
    STORAGE_CLASSES,
    BUDGETS,
    QUOTAS,
    AUTOSCALERS,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
    SIGNING_REQUESTS,
];

/// The same name as a static string, where a kind of that name is served.
pub fn lookup(resource: &str) -> Option<&'static str> {
    let known = WELL_KNOWN.iter().copied().find(|name| *name == resource);
    known.or_else(|| podium_kinds::by_resource(resource).map(|kind| kind.resource))
}
