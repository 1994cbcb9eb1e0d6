//! Deleting: at once, in two steps with grace, or when the finalizers are gone.

use super::{Api, CONFLICT_RETRIES, DeleteOptions, Deleted, Propagation, commit, faces};
use crate::{admission, time, user::User};
use podium_kinds::Kind;
use podium_machinery::state::{Action, Body, Object, WriteError};
use podium_types::{ApiError, Key, Timestamp, meta};
use serde_json::{Value, json};
use std::sync::Arc;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// What a delete does to an object.
enum Step {
    /// Nothing: an earlier delete does it already.
    Wait,
    /// Mark it.
    Mark(Value),
    /// Remove it.
    Remove(Value),
}

impl Api {
    /// Deletes the object of `key`.
    ///
    /// Pods that run get a deadline first and go when their node says so; objects with
    /// finalizers are marked and go with the last of them.
    pub async fn delete(
        &self,
        user: &User,
        kind: &'static Kind,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Deleted, ApiError> {
        Ok(self.delete_stored(user, faces::stored(kind).0, key, options).await?.shown(kind))
    }

    async fn delete_stored(
        &self,
        user: &User,
        kind: &'static Kind,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Deleted, ApiError> {
        admission::on_delete(kind, &key.name)?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let current = self.get(kind, key).await?;
            preconditions(kind, options, &current)?;
            let (uid, expected) = (current.uid.clone(), current.revision);
            let (action, value, gone) = match step(kind, current.value(), options, self.backend().now()) {
                Step::Wait => return Ok(Deleted { object: current, gone: false }),
                Step::Mark(value) => (Action::Update { uid, expected, body: Body::of(&value) }, value, false),
                Step::Remove(value) => (Action::Delete { uid, expected, body: Body::of(&value) }, value, true),
            };
            if options.dry_run {
                return Ok(Deleted { object: commit::unsaved(&value, current.revision), gone });
            }
            match self.commit(user, kind, key, action, Vec::new()).await {
                Ok(object) => return Ok(Deleted { object, gone }),
                Err(WriteError::Conflict) if attempts < CONFLICT_RETRIES => {}
                Err(error) => return Err(commit::explain(kind, &key.name, error)),
            }
        }
    }

    /// Deletes each of `objects`; one that is gone already is passed over.
    pub async fn delete_collection(
        &self,
        user: &User,
        kind: &'static Kind,
        objects: &[Arc<Object>],
        options: &DeleteOptions,
    ) -> Result<Vec<Arc<Object>>, ApiError> {
        let mut deleted = Vec::with_capacity(objects.len());
        for object in objects {
            match self.delete(user, kind, &object.key, options).await {
                Ok(done) => deleted.push(done.object),
                Err(error) if error.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(deleted)
    }
}

fn preconditions(kind: &Kind, options: &DeleteOptions, current: &Object) -> Result<(), ApiError> {
    let refuse = |why: String| Err(ApiError::conflict(kind.plural, kind.group, &current.key.name, &why));
    if let Some(uid) = options.uid.as_ref().filter(|uid| **uid != current.uid) {
        return refuse(format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", current.uid));
    }
    if let Some(revision) = options.resource_version.filter(|revision| *revision != current.revision) {
        return refuse(format!(
            "Precondition failed: ResourceVersion in precondition: {revision}, ResourceVersion in object meta: {}",
            current.revision
        ));
    }
    Ok(())
}

fn step(kind: &Kind, old: Value, options: &DeleteOptions, now: Timestamp) -> Step {
    let mut new = old.clone();
    set_propagation(&mut new, options.propagation);
    let grace = grace(kind, &old, options);
    let held = meta::finalizers(&new).next().is_some() || namespace_held(kind, &new);
    if grace == 0 && !held {
        return Step::Remove(new);
    }
    let pending = old["metadata"]["deletionGracePeriodSeconds"].as_i64();
    if meta::is_deleting(&old) {
        // A second delete may only make the end come sooner.
        if pending.is_some_and(|pending| grace < pending) {
            mark(&mut new, &old, grace, now);
        }
    } else {
        mark(&mut new, &old, grace, now);
    }
    if kind.resource == "namespaces" {
        meta::member_mut(&mut new, "status").insert("phase".into(), json!("Terminating"));
    }
    if new == old { Step::Wait } else { Step::Mark(new) }
}

fn mark(new: &mut Value, old: &Value, grace: i64, now: Timestamp) {
    let begun = meta::is_deleting(old);
    let start = old["metadata"]["deletionTimestamp"].as_str().and_then(|t| t.parse::<Timestamp>().ok());
    let pending = old["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    let due = start.map_or_else(|| time::after(now, grace), |start| time::after(start, grace - pending));
    let metadata = meta::metadata_mut(new);
    metadata.insert("deletionTimestamp".into(), time::stamp(due).into());
    metadata.insert("deletionGracePeriodSeconds".into(), json!(grace));
    if let Some(generation) = old["metadata"]["generation"].as_i64().filter(|g| *g > 0 && !begun) {
        metadata.insert("generation".into(), json!(generation + 1));
    }
}

/// Seconds until the object must be gone. Pods without a node, or that have ended, need none.
fn grace(kind: &Kind, object: &Value, options: &DeleteOptions) -> i64 {
    let Some(default) = kind.graceful else { return 0 };
    let unbound = object["spec"]["nodeName"].as_str().unwrap_or_default().is_empty();
    let ended = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if unbound || ended {
        return 0;
    }
    // Kubernetes takes a negative grace for the shortest one.
    match options.grace.unwrap_or_else(|| default(object)) {
        grace if grace < 0 => 1,
        grace => grace,
    }
}

fn namespace_held(kind: &Kind, object: &Value) -> bool {
    kind.resource == "namespaces" && object["spec"]["finalizers"].as_array().is_some_and(|f| !f.is_empty())
}

fn set_propagation(object: &mut Value, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else { return };
    let wanted = match propagation {
        Propagation::Background => "",
        Propagation::Foreground => FOREGROUND,
        Propagation::Orphan => ORPHAN,
    };
    let mut list: Vec<String> = meta::finalizers(object)
        .filter(|f| *f == wanted || !matches!(*f, FOREGROUND | ORPHAN))
        .map(str::to_owned)
        .collect();
    if !wanted.is_empty() && !list.iter().any(|f| f == wanted) {
        list.push(wanted.to_owned());
    }
    let metadata = meta::metadata_mut(object);
    if list.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".into(), json!(list));
    }
}
