//! Deletes what nobody owns any more: background, foreground and orphaning deletion.
//!
//! <https://kubernetes.io/docs/concepts/architecture/garbage-collection/>. Owners are
//! found by uid in the view; owners of kinds that are not served, or that live outside
//! the database, are never taken for gone.

use crate::{Controller, Ids, Plan, PlannedWrite, View, time, view::Header, write};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use podium_machinery::state::{Change, Event};
use podium_types::{Key, Timestamp};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
/// How many dependents one decision handles at most; their events wake it again.
pub const BURST_LIMIT: usize = 500;
/// Seconds after its creation before an object may be found without owner: the event that
/// brings the owner may come after that of the dependent.
pub const OWNER_GRACE_SECONDS: i64 = 2;

/// The garbage collector; its keys name kind and object, `pods/name` in the pod's namespace.
pub struct GarbageCollector;

impl Controller for GarbageCollector {
    fn name(&self) -> &'static str {
        "garbagecollector"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let mut keys = BTreeSet::new();
        let gone = event.change == Change::Deleted;
        let current = view.header(resource, &event.object.key);
        if let Some(header) = current.filter(|header| !header.owners.is_empty() || header.deleting) {
            keys.insert(key_of(header));
        }
        if gone || current.is_some_and(|header| header.deleting) {
            let dependents = view.dependents.get(&event.object.uid);
            keys.extend(dependents.filter_map(|(kind, key)| view.header(kind, key)).map(|header| key_of(header)));
        }
        if gone {
            // An owner may wait for this very object to go.
            let owners = crate::resource::lookup(resource).and_then(|r| Header::parse(r, &event.object));
            let owners = owners.map(|header| header.owners).unwrap_or_default();
            let waiting = owners.iter().filter_map(|owner| view.by_uid(&owner.uid)).filter(|owner| owner.deleting);
            keys.extend(waiting.map(|owner| key_of(owner)));
        }
        keys.into_iter().collect()
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        let relevant = view.everything().filter(|header| !header.owners.is_empty() || header.deleting);
        relevant.map(|header| key_of(header)).collect()
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, _ids: &mut Ids) -> Plan {
        let mut plan = Plan::default();
        let found = key
            .name
            .split_once('/')
            .and_then(|(resource, name)| view.header(resource, &Key::new(key.namespace.as_str(), name)));
        let Some(header) = found else { return plan };
        let has = |finalizer: &str| header.finalizers.iter().any(|own| own == finalizer);
        if header.deleting {
            if has(ORPHAN) {
                orphan(view, header, &mut plan);
            } else if has(FOREGROUND) {
                foreground(view, header, &mut plan);
            }
            return plan;
        }
        collect(view, header, now, &mut plan);
        plan
    }
}

fn key_of(header: &Header) -> Key {
    Key::new(header.key().namespace.as_str(), format!("{}/{}", header.resource, header.key().name))
}

fn dependents<'a>(view: &'a View, owner: &'a Header) -> impl Iterator<Item = &'a Arc<Header>> {
    view.dependents.get(&owner.object.uid).filter_map(|(resource, key)| view.header(resource, key))
}

/// Strips the owner from its dependents, then lets it go.
fn orphan(view: &View, owner: &Header, plan: &mut Plan) {
    let all: Vec<_> = dependents(view, owner).collect();
    for dependent in all.iter().take(BURST_LIMIT) {
        plan.writes.push(keep_owners(dependent, |reference| reference.uid != owner.object.uid));
    }
    if all.len() <= BURST_LIMIT {
        plan.writes.push(drop_finalizer(owner, ORPHAN));
    }
}

/// Deletes the dependents; lets the owner go once none is left that blocks it.
fn foreground(view: &View, owner: &Header, plan: &mut Plan) {
    let mut blocked = false;
    for dependent in dependents(view, owner) {
        let own = dependent.owners.iter().find(|reference| reference.uid == owner.object.uid);
        let others = dependent.owners.iter().any(|reference| state(view, dependent, reference) == State::Solid);
        if others {
            continue;
        }
        blocked |= own.is_some_and(|reference| reference.block_owner_deletion == Some(true));
    }
    if !blocked {
        plan.writes.push(drop_finalizer(owner, FOREGROUND));
    }
}

/// What can be said of an owner.
#[derive(PartialEq)]
enum State {
    /// It is there, or nothing can be known of it.
    Solid,
    /// It waits for its dependents to go.
    Waiting,
    /// It is gone.
    Gone,
}

fn state(view: &View, dependent: &Header, reference: &OwnerReference) -> State {
    match view.by_uid(&reference.uid) {
        Some(owner) => {
            let near = owner.key().namespace.is_empty() || owner.key().namespace == dependent.key().namespace;
            let waiting = owner.deleting && owner.finalizers.iter().any(|finalizer| finalizer == FOREGROUND);
            match (near, waiting) {
                (false, _) => State::Gone,
                (true, true) => State::Waiting,
                (true, false) => State::Solid,
            }
        }
        None => match podium_kinds::by_kind(&reference.api_version, &reference.kind) {
            Some(kind) if !kind.live => State::Gone,
            _ => State::Solid,
        },
    }
}

/// Deletes an object whose owners are all gone or waiting; where some are left, only those stay.
fn collect(view: &View, header: &Header, now: Timestamp, plan: &mut Plan) {
    if header.owners.is_empty() {
        return;
    }
    let states: Vec<State> = header.owners.iter().map(|reference| state(view, header, reference)).collect();
    if states.iter().all(|state| *state == State::Solid) {
        return;
    }
    let ripe = header.created.and_then(|created| time::after(created, OWNER_GRACE_SECONDS));
    if let Some(ripe) = ripe.filter(|ripe| *ripe > now && states.contains(&State::Gone)) {
        plan.wake_at = Some(ripe);
        return;
    }
    if states.contains(&State::Solid) {
        plan.writes.push(keep_owners(header, |reference| state(view, header, reference) == State::Solid));
        return;
    }
    // In the foreground a dependent waits for its own dependents in turn.
    let chain = states.contains(&State::Waiting) && dependents(view, header).next().is_some();
    let has = |finalizer: &str| header.finalizers.iter().any(|own| own == finalizer);
    let mut delete = write::delete_header(header);
    if let PlannedWrite::Delete { propagation, .. } = &mut delete {
        *propagation = match () {
            () if has(ORPHAN) => "Orphan",
            () if chain || has(FOREGROUND) => "Foreground",
            () => "Background",
        };
    }
    plan.writes.push(delete);
}

fn keep_owners(header: &Header, keep: impl Fn(&OwnerReference) -> bool) -> PlannedWrite {
    let kept: Vec<Value> =
        header.owners.iter().filter(|owner| keep(owner)).filter_map(|owner| serde_json::to_value(owner).ok()).collect();
    let list = if kept.is_empty() { Value::Null } else { kept.into() };
    write::patch_header(header, json!({"metadata": {"ownerReferences": list}}))
}

fn drop_finalizer(header: &Header, finalizer: &str) -> PlannedWrite {
    let rest: Vec<_> = header.finalizers.iter().filter(|own| *own != finalizer).collect();
    write::patch_header(header, json!({"metadata": {"finalizers": rest}}))
}
