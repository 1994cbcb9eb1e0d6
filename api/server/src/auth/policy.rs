//! The roles and bindings of the cluster, as parsed as decisions need them.
//!
//! Parsed anew is only what changed: a request compares four pointers.

use crate::backend::Backend;
use podium_kinds::by_resource;
use podium_machinery::{
    rbac::{Binding, Policy, Role},
    state::Snapshot,
};
use podium_types::Key;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The policy of the newest snapshots.
#[derive(Default)]
pub(crate) struct Rbac {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    roles: [Shelf<Role>; 2],
    bindings: [Shelf<Binding>; 2],
    policy: Arc<Policy>,
}

/// The parsed objects of one kind.
struct Shelf<T> {
    snapshot: Option<Arc<Snapshot>>,
    parsed: BTreeMap<Key, (u64, Arc<T>)>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { snapshot: None, parsed: BTreeMap::new() }
    }
}

impl Rbac {
    /// The policy as it is now.
    pub(crate) fn current(&self, backend: &dyn Backend) -> Arc<Policy> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { roles: [role, cluster_role], bindings: [binding, cluster_binding], policy } = &mut *kept;
        let changed = [
            role.refresh(backend, "roles.rbac.authorization.k8s.io", Role::parse),
            cluster_role.refresh(backend, "clusterroles.rbac.authorization.k8s.io", Role::parse),
            binding.refresh(backend, "rolebindings.rbac.authorization.k8s.io", Binding::parse),
            cluster_binding.refresh(backend, "clusterrolebindings.rbac.authorization.k8s.io", Binding::parse),
        ];
        if changed.contains(&true) {
            *policy =
                Arc::new(Policy::new(role.all().chain(cluster_role.all()), binding.all().chain(cluster_binding.all())));
        }
        Arc::clone(policy)
    }
}

impl<T> Shelf<T> {
    /// Takes over the newest snapshot; whether anything changed.
    fn refresh(&mut self, backend: &dyn Backend, resource: &str, parse: fn(&str, &str, &Value) -> T) -> bool {
        let Some(kind) = by_resource(resource) else { return false };
        let snapshot = backend.snapshot(kind);
        if self.snapshot.as_ref().is_some_and(|old| Arc::ptr_eq(old, &snapshot)) {
            return false;
        }
        let mut before = std::mem::take(&mut self.parsed);
        for object in snapshot.list(None, None) {
            let key = &object.key;
            let same = before.remove(key).filter(|(revision, _)| *revision == object.revision);
            let parsed =
                same.unwrap_or_else(|| (object.revision, Arc::new(parse(&key.namespace, &key.name, &object.value()))));
            self.parsed.insert(key.clone(), parsed);
        }
        self.snapshot = Some(snapshot);
        true
    }

    fn all(&self) -> impl Iterator<Item = Arc<T>> {
        self.parsed.values().map(|(_, parsed)| Arc::clone(parsed))
    }
}
