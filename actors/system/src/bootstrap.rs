//! What every cluster has from the start: its namespaces, its priority classes, the API's own Service, the DNS
//! Service, roles, and the APIServices of what it serves.

use crate::tree::Settings;
use futures_util::future::try_join_all;
use podium_kinds::{by_resource, system_priority};
use podium_machinery::rbac::defaults;
use podium_server::{
    user::User,
    verbs::{Api, Patch, WriteOptions},
};
use podium_types::{ApiError, Key, meta};
use serde_json::{Value, json};

const ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
const SERVICES: &str = "apiservices.apiregistration.k8s.io";
const BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";

/// Makes what is missing and mends what differs. Safe to repeat.
pub async fn ensure(api: &Api, settings: &Settings) -> Result<(), ApiError> {
    let user = User::system("system:podium:bootstrap");
    for (resource, object) in objects(settings) {
        put(api, &user, resource, object).await?;
    }
    let roles = defaults::cluster_roles().into_iter().map(|role| (ROLES, role));
    let bindings = defaults::cluster_role_bindings().into_iter().map(|binding| (BINDINGS, binding));
    // Side by side: they are many, and one write takes in what waits for the same commit.
    let all = roles.chain(bindings).map(|(resource, object)| mend(api, &user, resource, object));
    try_join_all(all).await?;
    let services = podium_server::api_services().into_iter().map(|service| put(api, &user, SERVICES, service));
    try_join_all(services).await.map(drop)
}

/// Makes a default role or binding, or gives it back what it lost.
async fn mend(api: &Api, user: &User, resource: &str, wanted: Value) -> Result<(), ApiError> {
    let Some(kind) = by_resource(resource) else { return Ok(()) };
    let key: Key = meta::key(&wanted);
    let options = WriteOptions::default();
    let Some(existing) = api.peek(kind, &key) else { return put(api, user, resource, wanted).await };
    match defaults::reconcile(&existing.value(), &wanted) {
        Some(mended) => api.update(user, kind, &key, "", mended, &options).await.map(drop),
        None => Ok(()),
    }
}

async fn put(api: &Api, user: &User, resource: &str, object: Value) -> Result<(), ApiError> {
    let Some(kind) = by_resource(resource) else { return Ok(()) };
    let key: Key = meta::key(&object);
    let options = WriteOptions::default();
    if api.peek(kind, &key).is_none() {
        match api.create(user, kind, &key.namespace, object.clone(), &options).await {
            Ok(_) => return Ok(()),
            Err(error) if error.reason == "AlreadyExists" => {}
            Err(error) => return Err(error),
        }
    }
    // A patch that changes nothing writes nothing.
    api.patch(user, kind, &key, "", &Patch::Merge(object), &options).await.map(drop)
}

fn objects(settings: &Settings) -> Vec<(&'static str, Value)> {
    let namespace = |name: &str| {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        ("namespaces", object)
    };
    let priority = |name: &str, what: &str| {
        let object = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
            "value": system_priority(name), "description": what});
        ("priorityclasses.scheduling.k8s.io", object)
    };
    let api_ip = settings.service_cidr.nth(1).unwrap_or(settings.service_cidr.ip());
    let address = settings.node_ip.to_string();
    let port = i32::from(settings.api_port);
    let labels = json!({"component": "apiserver", "provider": "kubernetes"});
    vec![
        namespace("default"),
        namespace("kube-system"),
        namespace("kube-public"),
        namespace("kube-node-lease"),
        priority(
            "system-node-critical",
            "Used for system critical pods that must not be moved from their current node.",
        ),
        priority(
            "system-cluster-critical",
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
        (
            "servicecidrs.networking.k8s.io",
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "kubernetes"},
            "spec": {"cidrs": [settings.service_cidr.to_string()]}}),
        ),
        (
            "services",
            json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
            "spec": {"clusterIP": api_ip, "clusterIPs": [api_ip],
                "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}]}}),
        ),
        (
            "endpoints",
            json!({"apiVersion": "v1", "kind": "Endpoints",
            "metadata": {"name": "kubernetes", "namespace": "default",
                "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
            "subsets": [{"addresses": [{"ip": address}], "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}]}),
        ),
        (
            "endpointslices.discovery.k8s.io",
            json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "kubernetes", "namespace": "default",
                "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "addressType": "IPv4", "endpoints": [{"addresses": [address], "conditions": {"ready": true}}],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}),
        ),
        (
            "services",
            json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system",
                "labels": {"k8s-app": "kube-dns", "kubernetes.io/name": "PodiumDNS"}},
            "spec": {"clusterIP": settings.cluster_dns.to_string(), "clusterIPs": [settings.cluster_dns.to_string()],
                "ports": [{"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                          {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53}]}}),
        ),
    ]
}
