//! The roles and bindings that every cluster has, and how they are kept up to date.
//!
//! As Kubernetes' bootstrap policy has them. Deliberately absent: the roles of the built-in
//! controllers, which are parts of the server here and need no leave.

use super::{cover::missing, rule::Rule};
use serde_json::{Value, json};

/// Tells the roles and bindings that come with the cluster from those that users made.
const BOOTSTRAP: &str = "kubernetes.io/bootstrapping";
/// `"false"` keeps one from being mended.
const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
const GROUP: &str = "rbac.authorization.k8s.io";
const VERSION: &str = "rbac.authorization.k8s.io/v1";
/// What the label of a role begins with whose rules are joined into `admin`, `edit` or `view`.
const AGGREGATE: &str = "rbac.authorization.k8s.io/aggregate-to-";

/// A rule in words with blanks between them; `core` is the group without a name.
struct Words {
    verbs: &'static str,
    groups: &'static str,
    resources: &'static str,
    names: &'static str,
    urls: &'static str,
}

const fn on(verbs: &'static str, groups: &'static str, resources: &'static str) -> Words {
    Words { verbs, groups, resources, names: "", urls: "" }
}

const fn named(verbs: &'static str, groups: &'static str, resources: &'static str, names: &'static str) -> Words {
    Words { verbs, groups, resources, names, urls: "" }
}

const fn at(urls: &'static str) -> Words {
    Words { verbs: "get", groups: "", resources: "", names: "", urls }
}

const READ: &str = "get list watch";
const WRITE: &str = "create delete deletecollection patch update";
const BOTH: &str = "create delete deletecollection get list patch update watch";

/// A ClusterRole: its name, the roles that it is joined into, and its rules.
type Entry = (&'static str, &'static str, &'static [Words]);

static CLUSTER_ROLES: &[Entry] = &[
    ("cluster-admin", "", &[on("*", "*", "*"), Words { verbs: "*", groups: "", resources: "", names: "", urls: "*" }]),
    (
        "system:discovery",
        "",
        &[at("/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/")],
    ),
    ("system:monitoring", "", &[at("/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*")]),
    (
        "system:basic-user",
        "",
        &[
            on("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
            on("create", "authentication.k8s.io", "selfsubjectreviews"),
        ],
    ),
    ("system:public-info-viewer", "", &[at("/healthz /livez /readyz /version /version/")]),
    (
        "system:service-account-issuer-discovery",
        "",
        &[at("/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/")],
    ),
    (
        "system:aggregate-to-admin",
        "admin",
        &[on("create", "authorization.k8s.io", "localsubjectaccessreviews"), on(BOTH, GROUP, "rolebindings roles")],
    ),
    (
        "system:aggregate-to-edit",
        "edit",
        &[
            on(READ, "core", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
            on("impersonate", "core", "serviceaccounts"),
            on(WRITE, "core", "pods pods/attach pods/exec pods/portforward pods/proxy"),
            on("create", "core", "pods/eviction"),
            on(
                WRITE,
                "core",
                "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets \
                 serviceaccounts services services/proxy",
            ),
            on("create", "core", "serviceaccounts/token"),
            on(
                WRITE,
                "apps",
                "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale \
                 statefulsets statefulsets/scale",
            ),
            on(WRITE, "autoscaling", "horizontalpodautoscalers"),
            on(WRITE, "batch", "cronjobs jobs"),
            on(WRITE, "policy", "poddisruptionbudgets"),
            on(WRITE, "networking.k8s.io", "ingresses networkpolicies"),
            on(BOTH, "coordination.k8s.io", "leases"),
            on(WRITE, "resource.k8s.io", "resourceclaims resourceclaimtemplates"),
        ],
    ),
    (
        "system:aggregate-to-view",
        "view",
        &[
            on(
                READ,
                "core",
                "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers \
                 replicationcontrollers/scale serviceaccounts services services/status",
            ),
            on(
                READ,
                "core",
                "bindings events limitranges namespaces/status pods/explain pods/log pods/status \
                 replicationcontrollers/status resourcequotas resourcequotas/status",
            ),
            on(READ, "core", "namespaces"),
            on(READ, "discovery.k8s.io", "endpointslices"),
            on(
                READ,
                "apps",
                "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status \
                 replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
            ),
            on(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
            on(READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
            on(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
            on(READ, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
            on(READ, "resource.k8s.io", "resourceclaims resourceclaims/status resourceclaimtemplates"),
        ],
    ),
    ("system:aggregated-metrics-reader", "admin edit view", &[on(READ, "metrics.k8s.io", "nodes pods")]),
    (
        "system:auth-delegator",
        "",
        &[
            on("create", "authentication.k8s.io", "tokenreviews"),
            on("create", "authorization.k8s.io", "subjectaccessreviews"),
        ],
    ),
    (
        "system:kubelet-api-admin",
        "",
        &[
            on("get list watch", "core", "nodes"),
            on("proxy", "core", "nodes"),
            on(
                "*",
                "core",
                "nodes/checkpoint nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats",
            ),
        ],
    ),
    (
        "system:node-bootstrapper",
        "",
        &[on("create get list watch", "certificates.k8s.io", "certificatesigningrequests")],
    ),
    (
        "system:node-problem-detector",
        "",
        &[
            on("get", "core", "nodes"),
            on("patch", "core", "nodes/status"),
            on("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    (
        "system:node-proxier",
        "",
        &[
            on("list watch", "core", "endpoints services"),
            on(READ, "core", "nodes"),
            on("list watch", "discovery.k8s.io", "endpointslices"),
            on("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    (
        "system:node",
        "",
        &[
            on("create", "authentication.k8s.io", "tokenreviews"),
            on("create", "authorization.k8s.io", "localsubjectaccessreviews subjectaccessreviews"),
            on(READ, "core", "services"),
            on("create get list watch", "core", "nodes"),
            on("patch update", "core", "nodes nodes/status"),
            on("create patch update", "core events.k8s.io", "events"),
            on(READ, "core", "pods"),
            on("create delete", "core", "pods"),
            on("patch update", "core", "pods/status"),
            on("create", "core", "pods/eviction"),
            on(READ, "core", "configmaps secrets"),
            on("get", "core", "persistentvolumeclaims persistentvolumes"),
            on("create", "core", "serviceaccounts/token"),
            on("create get list watch", "certificates.k8s.io", "certificatesigningrequests"),
            on("create delete get patch update", "coordination.k8s.io", "leases"),
            on(READ, "storage.k8s.io", "csidrivers"),
            on(READ, "node.k8s.io", "runtimeclasses"),
        ],
    ),
    (
        "system:kube-scheduler",
        "",
        &[
            on("create patch update", "core events.k8s.io", "events"),
            on("create", "coordination.k8s.io", "leases"),
            on(READ, "core", "namespaces nodes"),
            on("delete get list watch", "core", "pods"),
            on("create", "core", "bindings pods/binding"),
            on("patch update", "core", "pods/status"),
            on(READ, "core", "persistentvolumeclaims persistentvolumes replicationcontrollers services"),
            on(READ, "apps", "replicasets statefulsets"),
            on(READ, "policy", "poddisruptionbudgets"),
            on(READ, "storage.k8s.io", "csidrivers csinodes csistoragecapacities storageclasses volumeattachments"),
            on("create", "authentication.k8s.io", "tokenreviews"),
            on("create", "authorization.k8s.io", "subjectaccessreviews"),
        ],
    ),
    (
        "system:volume-scheduler",
        "",
        &[
            on("get list patch update watch", "core", "persistentvolumes"),
            on(READ, "storage.k8s.io", "storageclasses"),
            on("get list patch update watch", "core", "persistentvolumeclaims"),
        ],
    ),
    (
        "system:kube-controller-manager",
        "",
        &[
            on("create patch update", "core events.k8s.io", "events"),
            on("create", "coordination.k8s.io", "leases"),
            on("create", "core", "secrets serviceaccounts"),
            on("delete", "core", "secrets"),
            on("get", "core", "configmaps namespaces secrets serviceaccounts"),
            on("update", "core", "secrets serviceaccounts"),
            on("create", "authentication.k8s.io", "tokenreviews"),
            on("create", "authorization.k8s.io", "subjectaccessreviews"),
            on("list watch", "*", "*"),
            on("create", "core", "serviceaccounts/token"),
        ],
    ),
    ("system:kube-dns", "", &[on("list watch", "core", "endpoints services")]),
    (
        "system:persistent-volume-provisioner",
        "",
        &[
            on("create delete get list watch", "core", "persistentvolumes"),
            on("get list update watch", "core", "persistentvolumeclaims"),
            on(READ, "storage.k8s.io", "storageclasses"),
            on("watch", "core", "events"),
            on("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    (
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        "",
        &[on("create", "certificates.k8s.io", "certificatesigningrequests/nodeclient")],
    ),
    (
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        "",
        &[on("create", "certificates.k8s.io", "certificatesigningrequests/selfnodeclient")],
    ),
    (
        "system:certificates.k8s.io:legacy-unknown-approver",
        "",
        &[named("approve", "certificates.k8s.io", "signers", "kubernetes.io/legacy-unknown")],
    ),
    (
        "system:certificates.k8s.io:kubelet-serving-approver",
        "",
        &[named("approve", "certificates.k8s.io", "signers", "kubernetes.io/kubelet-serving")],
    ),
    (
        "system:certificates.k8s.io:kube-apiserver-client-approver",
        "",
        &[named("approve", "certificates.k8s.io", "signers", "kubernetes.io/kube-apiserver-client")],
    ),
    (
        "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver",
        "",
        &[named("approve", "certificates.k8s.io", "signers", "kubernetes.io/kube-apiserver-client-kubelet")],
    ),
];

/// ClusterRoles that are made of others: name, and the role that they are joined into themselves.
static AGGREGATED: &[(&str, &str)] = &[("admin", ""), ("edit", "admin"), ("view", "edit")];

/// A ClusterRoleBinding, which bears the name of its role: the role, users, and groups.
static BINDINGS: &[(&str, &str, &str)] = &[
    ("cluster-admin", "", "system:masters"),
    ("system:discovery", "", "system:authenticated"),
    ("system:basic-user", "", "system:authenticated"),
    ("system:public-info-viewer", "", "system:authenticated system:unauthenticated"),
    ("system:monitoring", "", "system:monitoring"),
    ("system:service-account-issuer-discovery", "", "system:serviceaccounts"),
    ("system:node", "", ""),
    ("system:node-proxier", "system:kube-proxy", ""),
    ("system:kube-scheduler", "system:kube-scheduler", ""),
    ("system:volume-scheduler", "system:kube-scheduler", ""),
    ("system:kube-controller-manager", "system:kube-controller-manager", ""),
];

fn list(words: &str) -> Vec<String> {
    words.split_whitespace().map(|word| if word == "core" { String::new() } else { word.to_owned() }).collect()
}

fn rule(words: &Words) -> Value {
    Rule {
        verbs: list(words.verbs),
        groups: list(words.groups),
        resources: list(words.resources),
        names: list(words.names),
        urls: list(words.urls),
    }
    .value()
}

fn object(kind: &str, name: &str, joined: &str) -> Value {
    let mut object = json!({"apiVersion": VERSION, "kind": kind, "metadata": {"name": name,
        "labels": {BOOTSTRAP: "rbac-defaults"}, "annotations": {AUTOUPDATE: "true"}}});
    for role in joined.split_whitespace() {
        object["metadata"]["labels"][format!("{AGGREGATE}{role}")] = json!("true");
    }
    object
}

/// The ClusterRoles that every cluster has.
pub fn cluster_roles() -> Vec<Value> {
    let plain = CLUSTER_ROLES.iter().map(|(name, joined, rules)| {
        let mut role = object("ClusterRole", name, joined);
        role["rules"] = rules.iter().map(rule).collect();
        role
    });
    let aggregated = AGGREGATED.iter().map(|(name, joined)| {
        let mut role = object("ClusterRole", name, joined);
        let label = format!("{AGGREGATE}{name}");
        role["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
        role
    });
    plain.chain(aggregated).collect()
}

/// The ClusterRoleBindings that every cluster has.
pub fn cluster_role_bindings() -> Vec<Value> {
    let made = BINDINGS.iter().map(|(role, users, groups)| {
        let mut binding = object("ClusterRoleBinding", role, "");
        binding["roleRef"] = json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": role});
        let subjects = |kind: &'static str, names: &str| -> Vec<Value> {
            list(names).into_iter().map(|name| json!({"apiGroup": GROUP, "kind": kind, "name": name})).collect()
        };
        let both = [subjects("User", users), subjects("Group", groups)].concat();
        if !both.is_empty() {
            binding["subjects"] = json!(both);
        }
        binding
    });
    made.collect()
}

/// What `existing` must become to have all that `wanted` has; `None` where it has, or wants to be left alone.
///
/// Nothing is taken away: what users added stays.
pub fn reconcile(existing: &Value, wanted: &Value) -> Option<Value> {
    if existing["metadata"]["annotations"][AUTOUPDATE] == "false" {
        return None;
    }
    let mut mended = existing.clone();
    for field in ["labels", "annotations"] {
        for (key, value) in wanted["metadata"][field].as_object().into_iter().flatten() {
            mended["metadata"][field][key] = value.clone();
        }
    }
    let owned = Rule::parse_all(existing);
    let lacking = missing(owned.iter(), Rule::parse_all(wanted).iter());
    extend(&mut mended["rules"], lacking.iter().map(Rule::value));
    let absent = |field: &[&str]| -> Vec<Value> {
        let at = |object: &Value| field.iter().fold(object.clone(), |value, member| value[*member].clone());
        let known = at(existing).as_array().cloned().unwrap_or_default();
        let wished = at(wanted).as_array().cloned().unwrap_or_default();
        wished.into_iter().filter(|item| !known.contains(item)).collect()
    };
    extend(&mut mended["subjects"], absent(&["subjects"]).into_iter());
    if !wanted["aggregationRule"].is_null() {
        let selectors = absent(&["aggregationRule", "clusterRoleSelectors"]);
        extend(&mut mended["aggregationRule"]["clusterRoleSelectors"], selectors.into_iter());
    }
    let mended = without_nulls(mended);
    (mended != *existing).then_some(mended)
}

fn extend(list: &mut Value, more: impl Iterator<Item = Value>) {
    let mut all = list.as_array().cloned().unwrap_or_default();
    all.extend(more);
    if !all.is_empty() {
        *list = json!(all);
    }
}

/// Indexing for writing leaves `null` where nothing was written.
fn without_nulls(mut object: Value) -> Value {
    if let Some(map) = object.as_object_mut() {
        map.retain(|_, value| !value.is_null());
    }
    object
}
