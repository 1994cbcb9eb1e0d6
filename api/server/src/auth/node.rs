//! What belongs to a node: itself, its lease, its pods, and what they refer to.
//!
//! Kubernetes splits this into the node authoriser (may the request be made) and the
//! NodeRestriction admission (may this object be written); so do [`decide`] and [`restrict`].

use super::{authorize::Attributes, nodelabels};
use crate::{
    user::{NODES, User},
    verbs::Api,
};
use podium_kinds::{Kind, by_resource};
use podium_types::{ApiError, Key, meta};
use serde_json::Value;

/// What the name of a node's user begins with.
const PREFIX: &str = "system:node:";
/// Where nodes keep their leases.
const LEASES: &str = "kube-node-lease";
/// Marks a pod that mirrors one of the node's own.
const MIRROR: &str = "kubernetes.io/config.mirror";

const READ: &[&str] = &["get", "list", "watch"];
const CHANGE: &[&str] = &["update", "patch"];

/// What every node may read, as group and resource.
const PUBLIC: &[(&str, &str)] = &[
    ("", "services"),
    ("discovery.k8s.io", "endpointslices"),
    ("node.k8s.io", "runtimeclasses"),
    ("storage.k8s.io", "csidrivers"),
    ("storage.k8s.io", "storageclasses"),
    ("certificates.k8s.io", "certificatesigningrequests"),
];
/// What every node may create.
const MADE: &[(&str, &str)] = &[
    ("", "events"),
    ("events.k8s.io", "events"),
    ("authentication.k8s.io", "tokenreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
    ("authorization.k8s.io", "localsubjectaccessreviews"),
    ("certificates.k8s.io", "certificatesigningrequests"),
];

/// Where a pod's spec refers to a Secret by name.
const SECRETS: &[&str] = &["secret", "secretRef", "secretKeyRef", "imagePullSecrets", "nodePublishSecretRef"];
/// Where it refers to a ConfigMap.
const CONFIG_MAPS: &[&str] = &["configMap", "configMapRef", "configMapKeyRef"];
/// Where it refers to a claim.
const CLAIMS: &[&str] = &["persistentVolumeClaim"];

/// The node that the user is.
pub(crate) fn name(user: &User) -> Option<&str> {
    user.name.strip_prefix(PREFIX).filter(|name| !name.is_empty() && user.is_in(NODES))
}

/// Whether the wish is within what belongs to `node`; what else there is to say otherwise.
pub(super) fn decide(api: &Api, node: &str, wish: &Attributes<'_>) -> Result<(), String> {
    let Attributes { verb, group, resource, subresource, namespace, name, .. } = *wish;
    let reads = READ.contains(&verb);
    let place = (group, resource);
    let good = match (place, subresource) {
        (("", "nodes"), "" | "status") => {
            if reads && name != node {
                return Err(format!("node {node:?} cannot read {name:?}, only its own Node object"));
            }
            verb == "create" || name == node && (reads || CHANGE.contains(&verb))
        }
        (("", "pods"), "") => match verb {
            "list" | "watch" if wish.node != node => {
                return Err("can only list/watch pods with spec.nodeName field selector".to_owned());
            }
            "list" | "watch" | "create" => true,
            "get" | "delete" => bound(api, node, wish),
            _ => false,
        },
        (("", "pods"), "status") => CHANGE.contains(&verb) && bound(api, node, wish),
        (("", "pods"), "eviction") => verb == "create" && bound(api, node, wish),
        (("coordination.k8s.io", "leases"), "") => {
            let known = verb == "get" || verb == "delete" || CHANGE.contains(&verb);
            namespace == LEASES && (verb == "create" || known && name == node)
        }
        (("", "serviceaccounts"), "token") => {
            verb == "create" && used(api, node, namespace, name, |spec| spec["serviceAccountName"] == name)
        }
        (("", "secrets"), "") => reads && used(api, node, namespace, name, |spec| refers(spec, SECRETS, name)),
        (("", "configmaps"), "") => reads && used(api, node, namespace, name, |spec| refers(spec, CONFIG_MAPS, name)),
        (("", "persistentvolumeclaims"), "") => verb == "get" && claimed(api, node, namespace, name),
        (("", "persistentvolumes"), "") => verb == "get" && of_claim(api, node, name),
        (("" | "events.k8s.io", "events"), "") if CHANGE.contains(&verb) => true,
        (_, "") => reads && PUBLIC.contains(&place) || verb == "create" && MADE.contains(&place),
        _ => false,
    };
    if good {
        Ok(())
    } else if matches!(place, ("", "secrets" | "configmaps" | "persistentvolumeclaims" | "persistentvolumes")) {
        Err(format!("no relationship found between node '{node}' and this object"))
    } else {
        Err(String::new())
    }
}

/// Whether the pod of the wish is bound to the node. One that is gone is: the answer is that it is not found.
fn bound(api: &Api, node: &str, wish: &Attributes<'_>) -> bool {
    let pod = by_resource("pods").and_then(|pods| api.peek(pods, &Key::new(wish.namespace, wish.name)));
    pod.is_none_or(|pod| pod.value()["spec"]["nodeName"] == node)
}

/// Whether a pod on the node whose text has `name` passes `test` with its spec.
fn used(api: &Api, node: &str, namespace: &str, name: &str, test: impl Fn(&Value) -> bool) -> bool {
    let (Some(pods), false) = (by_resource("pods"), name.is_empty()) else { return false };
    // Few pods have both names in their text; only those are parsed.
    let quoted = |word: &str| memchr::memmem::Finder::new(&Value::from(word).to_string()).into_owned();
    let (here, it) = (quoted(node), quoted(name));
    api.backend().snapshot(pods).list(Some(namespace), None).any(|pod| {
        it.find(&pod.json).is_some() && here.find(&pod.json).is_some() && {
            let spec = &pod.value()["spec"];
            spec["nodeName"] == node && test(spec)
        }
    })
}

/// Whether a value refers to an object of that name below a member called as one of `members`.
fn refers(value: &Value, members: &[&str], name: &str) -> bool {
    let names = |v: &Value| ["name", "secretName", "claimName"].iter().any(|field| v[*field] == name);
    match value {
        Value::Array(list) => list.iter().any(|v| refers(v, members, name)),
        Value::Object(map) => map.iter().any(|(member, v)| {
            let here = members.contains(&member.as_str());
            here && (names(v) || v.as_array().is_some_and(|list| list.iter().any(names))) || refers(v, members, name)
        }),
        _ => false,
    }
}

/// Whether a pod of the node uses the claim, be it one made for the pod alone (`POD-VOLUME`).
fn claimed(api: &Api, node: &str, namespace: &str, name: &str) -> bool {
    if used(api, node, namespace, name, |spec| refers(spec, CLAIMS, name)) {
        return true;
    }
    let (Some(claims), Some(pods)) = (by_resource("persistentvolumeclaims"), by_resource("pods")) else { return false };
    let Some(claim) = api.peek(claims, &Key::new(namespace, name)) else { return false };
    let claim = claim.value();
    let owners = claim["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    let mut pods_of = owners.filter(|owner| owner["controller"] == true && owner["kind"] == "Pod");
    pods_of.any(|owner| {
        let key = Key::new(namespace, owner["name"].as_str().unwrap_or_default());
        api.peek(pods, &key).is_some_and(|pod| pod.uid == owner["uid"] && pod.value()["spec"]["nodeName"] == node)
    })
}

/// Whether a volume is that of a claim that a pod of the node uses.
fn of_claim(api: &Api, node: &str, name: &str) -> bool {
    let volume = by_resource("persistentvolumes").and_then(|kind| api.peek(kind, &Key::new("", name)));
    let Some(volume) = volume.map(|volume| volume.value()) else { return false };
    let claim = &volume["spec"]["claimRef"];
    let text = |field: &str| claim[field].as_str().unwrap_or_default();
    !text("name").is_empty() && claimed(api, node, text("namespace"), text("name"))
}

/// 403 where a node writes an object that is not its own or says of itself what administrators decide.
pub(crate) fn restrict(user: &User, kind: &Kind, new: &Value, old: Option<&Value>) -> Result<(), ApiError> {
    let Some(node) = name(user) else { return Ok(()) };
    let refuse = |why: String| Err(ApiError::forbidden(kind.plural, kind.group, meta::name(new), &why));
    let named = meta::name(new);
    match kind.resource {
        "nodes" if named != node => refuse(format!("node {node:?} is not allowed to modify node {named:?}")),
        "nodes" => {
            let nothing = Value::Null;
            let old = old.unwrap_or(&nothing);
            let labels = nodelabels::forbidden(new, old).join(", ");
            if !labels.is_empty() {
                let what = if old.is_null() { "set the following" } else { "modify" };
                return refuse(format!("node {node:?} is not allowed to {what} labels: {labels}"));
            }
            if !old.is_null() && new["metadata"]["ownerReferences"] != old["metadata"]["ownerReferences"] {
                return refuse(format!("node {node:?} is not allowed to modify ownerReferences"));
            }
            if !old.is_null() && new["spec"]["taints"] != old["spec"]["taints"] {
                return refuse(format!("node {node:?} is not allowed to modify taints"));
            }
            Ok(())
        }
        "leases.coordination.k8s.io" if named != node => {
            refuse("can only access node lease with the same name as the requesting node".to_owned())
        }
        "pods" if old.is_none() => mirror(node, new).or_else(refuse),
        _ => Ok(()),
    }
}

/// 403 where a node asks for a token that does not end with one of its pods.
pub(crate) fn token(api: &Api, user: &User, account: &Key, bound: &Value) -> Result<(), ApiError> {
    let Some(node) = name(user) else { return Ok(()) };
    let text = |field: &str| bound[field].as_str().unwrap_or_default();
    let pod = by_resource("pods").and_then(|pods| api.peek(pods, &Key::new(&account.namespace, text("name"))));
    let why = if (text("apiVersion"), text("kind")) != ("v1", "Pod") || text("name").is_empty() {
        "node requested token not bound to a pod"
    } else if text("uid").is_empty() {
        "node requested token with a pod binding without a uid"
    } else if pod.is_some_and(|pod| pod.value()["spec"]["nodeName"] != node) {
        "node requested token bound to a pod scheduled on a different node"
    } else {
        return Ok(());
    };
    Err(ApiError::forbidden("serviceaccounts", "", &account.name, why))
}

/// A node creates pods only to mirror those that it runs by itself.
fn mirror(node: &str, pod: &Value) -> Result<(), String> {
    let spec = &pod["spec"];
    if pod["metadata"]["annotations"][MIRROR].as_str().is_none_or(str::is_empty) {
        return Err(format!("pod does not have {MIRROR:?} annotation, node {node:?} can only create mirror pods"));
    }
    if spec["nodeName"] != node {
        return Err(format!("node {node:?} can only create pods with spec.nodeName set to itself"));
    }
    for (what, members) in [("secrets", SECRETS), ("configmaps", CONFIG_MAPS), ("persistentvolumeclaims", CLAIMS)] {
        if mentions(spec, members) {
            return Err(format!("node {node:?} can not create pods that reference {what}"));
        }
    }
    if spec["serviceAccountName"].as_str().is_some_and(|account| !account.is_empty()) {
        return Err(format!("node {node:?} can not create pods that reference a service account"));
    }
    Ok(())
}

fn mentions(value: &Value, members: &[&str]) -> bool {
    match value {
        Value::Array(list) => list.iter().any(|v| mentions(v, members)),
        Value::Object(map) => {
            map.iter().any(|(member, v)| members.contains(&member.as_str()) && !v.is_null() || mentions(v, members))
        }
        _ => false,
    }
}
