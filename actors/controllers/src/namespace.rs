//! Empties a namespace that is being deleted, then lets it go.

use crate::{Controller, Ids, Plan, PlannedWrite, View, resource, time, write};
use k8s_openapi::api::core::v1::{NamespaceCondition, NamespaceStatus};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;

/// How many objects one decision deletes at most; the next one goes on.
pub const BURST_LIMIT: usize = 500;
/// The finalizer in `spec.finalizers` that this controller serves.
const FINALIZER: &str = "kubernetes";

/// The controller of namespaces that are being deleted.
pub struct NamespaceController;

impl Controller for NamespaceController {
    fn name(&self) -> &'static str {
        "namespace"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        if resource == resource::NAMESPACES {
            return vec![event.object.key.clone()];
        }
        let key = Key::new("", event.object.key.namespace.as_str());
        view.namespaces.get(&key).filter(|namespace| namespace.deleting()).map(|_| key).into_iter().collect()
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.namespaces.all().filter(|namespace| namespace.deleting()).map(|n| n.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, _ids: &mut Ids) -> Plan {
        let mut plan = Plan::default();
        let Some(namespace) = view.namespaces.get(key).filter(|namespace| namespace.deleting()) else { return plan };
        let finalizers = namespace.spec.as_ref().and_then(|spec| spec.finalizers.clone()).unwrap_or_default();
        if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
            return plan;
        }
        let mut left: BTreeMap<&str, usize> = BTreeMap::new();
        let mut held: BTreeMap<String, usize> = BTreeMap::new();
        for kind in podium_kinds::KINDS.iter().filter(|kind| kind.namespaced && !kind.live) {
            for header in view.in_namespace(kind.resource, &key.name) {
                *left.entry(kind.resource).or_default() += 1;
                for finalizer in header.finalizers.iter().filter(|_| header.deleting) {
                    *held.entry(finalizer.clone()).or_default() += 1;
                }
                if !header.deleting && plan.writes.len() < BURST_LIMIT {
                    plan.writes.push(write::delete_header(header));
                }
            }
        }
        if plan.writes.len() == BURST_LIMIT {
            plan.wake_at = Some(now);
        }
        let status = NamespaceStatus {
            phase: Some("Terminating".to_owned()),
            conditions: Some(conditions(namespace.status.as_ref(), &left, &held, now)),
        };
        plan.writes.extend(write::status(resource::NAMESPACES, namespace, namespace.status.as_ref(), &status));
        if left.is_empty() {
            let rest: Vec<_> = finalizers.iter().filter(|finalizer| *finalizer != FINALIZER).collect();
            let patch = json!({"spec": {"finalizers": rest}});
            plan.writes.push(PlannedWrite::Patch {
                resource: resource::NAMESPACES,
                subresource: "finalize",
                key: key.clone(),
                uid: namespace.uid().to_owned(),
                revision: None,
                patch,
            });
        }
        plan.note = format!("{} objects left", left.values().sum::<usize>());
        plan
    }
}

/// The five conditions of a terminating namespace (KEP-1111).
fn conditions(
    current: Option<&NamespaceStatus>,
    left: &BTreeMap<&str, usize>,
    held: &BTreeMap<String, usize>,
    now: Timestamp,
) -> Vec<NamespaceCondition> {
    let mut list = current.and_then(|status| status.conditions.clone()).unwrap_or_default();
    let mut set = |kind: &str, bad: bool, reason: &str, message: String| {
        let status = if bad { "True" } else { "False" };
        let old = list.iter().find(|condition| condition.type_ == kind);
        let same = old.is_some_and(|old| old.status == status);
        let since = old.filter(|_| same).and_then(|old| old.last_transition_time.clone());
        let condition = NamespaceCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message),
            last_transition_time: since.or_else(|| Some(time::stamp(now))),
        };
        list.retain(|condition| condition.type_ != kind);
        list.push(condition);
    };
    let discovered = "All resources successfully discovered".to_owned();
    set("NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered", discovered);
    let parsed = "All legacy kube types successfully parsed".to_owned();
    set("NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions", parsed);
    let deleted = "All content successfully deleted, may be waiting on finalization".to_owned();
    set("NamespaceDeletionContentFailure", false, "ContentDeleted", deleted);
    if left.is_empty() {
        set("NamespaceContentRemaining", false, "ContentRemoved", "All content successfully removed".to_owned());
    } else {
        let list: Vec<_> =
            left.iter().map(|(kind, count)| format!("{} has {count} resource instances", dotted(kind))).collect();
        let message = format!("Some resources are remaining: {}", list.join(", "));
        set("NamespaceContentRemaining", true, "SomeResourcesRemain", message);
    }
    if held.is_empty() {
        let message = "All content-preserving finalizers finished".to_owned();
        set("NamespaceFinalizersRemaining", false, "ContentHasNoFinalizers", message);
    } else {
        let list: Vec<_> = held.iter().map(|(name, count)| format!("{name} in {count} resource instances")).collect();
        let message = format!("Some content in the namespace has finalizers remaining: {}", list.join(", "));
        set("NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", message);
    }
    list
}

/// `pods.` for the core group, as Kubernetes writes it here.
fn dotted(resource: &str) -> String {
    if resource.contains('.') { resource.to_owned() } else { format!("{resource}.") }
}
