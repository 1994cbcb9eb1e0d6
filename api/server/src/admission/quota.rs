//! ResourceQuota: what a write uses is charged in the same commit, so that no quota is ever exceeded.
//!
//! The charge carries the revision of the quota that was looked at; whoever was overtaken looks again.
//! Within one server the writes of a namespace take turns, so that they do not overtake each other.

use crate::verbs::Api;
use podium_kinds::Kind;
use podium_machinery::{
    quota::{self, Measured},
    state::{Body, Charge, Object},
};
use podium_types::{ApiError, meta};
use serde_json::Value;
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

const RESOURCE: &str = "resourcequotas";
/// Namespaces that can be charged at once; more share a turn.
const TURNS: usize = 64;

/// Whose turn it is to charge the quotas of a namespace.
pub(crate) struct Turns(Vec<Arc<Mutex<()>>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Arc::default()).collect())
    }
}

impl Turns {
    async fn take(&self, namespace: &str) -> Option<OwnedMutexGuard<()>> {
        let mut hasher = DefaultHasher::new();
        namespace.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % TURNS as u64).unwrap_or_default();
        let turn = self.0.get(at)?.clone();
        Some(turn.lock_owned().await)
    }
}

/// What a write is charged to; to be kept until it is committed.
#[derive(Default)]
pub(crate) struct Charged {
    /// The quotas, as they will be.
    pub(crate) charges: Vec<Charge>,
    _turn: Option<OwnedMutexGuard<()>>,
}

/// Whether an update can change what an object uses.
pub(crate) fn changes_use(kind: &Kind, subresource: &str) -> bool {
    matches!((kind.resource, subresource), ("services" | "persistentvolumeclaims", "") | ("pods", "resize"))
}

/// What a new object, or one that was `old`, is charged to. Nothing where the namespace has no quota.
pub(crate) async fn charge(
    api: &Api,
    kind: &'static Kind,
    new: &Value,
    old: Option<&Value>,
) -> Result<Charged, ApiError> {
    let namespace = meta::namespace(new);
    if !kind.namespaced || quotas(api, namespace).is_empty() {
        return Ok(Charged::default());
    }
    let Some(measured) = Measured::read(kind.resource, new) else { return Ok(Charged::default()) };
    let before = old.and_then(|old| Measured::read(kind.resource, old));
    let refuse = |why: String| ApiError::forbidden(kind.plural, kind.group, meta::name(new), &why);
    let look = || charges(&quotas(api, namespace), &measured, before.as_ref()).map_err(refuse);
    if look()?.is_empty() {
        return Ok(Charged::default());
    }
    let turn = api.turns().take(namespace).await;
    Ok(Charged { charges: look()?, _turn: turn })
}

/// The quotas of a namespace.
fn quotas(api: &Api, namespace: &str) -> Vec<Arc<Object>> {
    let Some(kind) = podium_kinds::by_resource(RESOURCE) else { return Vec::new() };
    api.backend().snapshot(kind).list(Some(namespace), None).cloned().collect()
}

/// The quotas that change, as they will be; why not, where one would be exceeded.
fn charges(quotas: &[Arc<Object>], new: &Measured, old: Option<&Measured>) -> Result<Vec<Charge>, String> {
    let Some(kind) = podium_kinds::by_resource(RESOURCE) else { return Ok(Vec::new()) };
    let mut charges = Vec::new();
    for object in quotas {
        let mut value = object.value();
        let used = quota::charge(&quota::parse(&value), new.subject(), old.map(Measured::subject))?;
        if used.is_empty() {
            continue;
        }
        for (name, amount) in used {
            value["status"]["used"][name] = amount.into();
        }
        let (key, uid, body) = (object.key.clone(), object.uid.clone(), Body::of(&value));
        charges.push(Charge { kind, key, uid, expected: object.revision, body });
    }
    Ok(charges)
}
