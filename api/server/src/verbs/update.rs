//! Replacing an object, or one subresource of it.

use super::{
    Api, CONFLICT_RETRIES, WriteOptions, Written, commit,
    create::{check_namespace, identify},
    faces,
    managed::{self, Writer},
    metadata,
};
use crate::{
    admission,
    auth::{escalation, node},
    user::User,
};
use podium_kinds::{Context, Kind};
use podium_machinery::{
    defaults,
    state::{Action, Body, Object, WriteError},
};
use podium_types::{ApiError, Key, meta, registry};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Kinds that a PUT creates where they are not there (as `AllowCreateOnUpdate` in Kubernetes).
pub(crate) const CREATE_ON_UPDATE: &[&str] =
    &["services", "endpoints", "events", "events.events.k8s.io", "leases.coordination.k8s.io"];
/// The subresource that takes finalizers off a namespace; the rules of the kind are no matter there.
const FINALIZE: &str = "finalize";
/// The subresource that decides on a certificate: a part of the status.
const APPROVAL: &str = "approval";
/// The subresource whose writes are writes of the object itself, narrowed to its replicas.
const SCALE: &str = "scale";
/// The subresource that gives a pod its node: not a change of what its owner wishes.
const BINDING: &str = "binding";

impl Api {
    /// Replaces the object of `key`, or its `status` or another `subresource`.
    ///
    /// With a `resourceVersion` in the object the write happens at that revision or not at all.
    pub async fn update(
        &self,
        user: &User,
        kind: &'static Kind,
        key: &Key,
        subresource: &str,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        if kind.live {
            return Err(ApiError::method_not_allowed());
        }
        let exists = self.peek(kind, key).is_some();
        if !exists
            && subresource.is_empty()
            && CREATE_ON_UPDATE.contains(&kind.resource)
            && meta::uid(&object).is_empty()
        {
            let mut object = object;
            named(kind, key, &mut object)?;
            meta::metadata_mut(&mut object).remove("resourceVersion");
            return self.create(user, kind, &key.namespace, object, options).await;
        }
        let unconditional = meta::string(&object, "resourceVersion").is_empty();
        self.modify(user, kind, key, subresource, options, unconditional, |_| Ok(object.clone())).await
    }

    /// Reads, changes and commits; begins anew where somebody else wrote and `retry` allows it.
    #[allow(clippy::too_many_arguments)]
    pub(super) async fn modify(
        &self,
        user: &User,
        kind: &'static Kind,
        key: &Key,
        subresource: &str,
        options: &WriteOptions,
        retry: bool,
        change: impl Fn(&Value) -> Result<Value, ApiError>,
    ) -> Result<Written, ApiError> {
        let (stored, face) = faces::stored(kind);
        let change = |old: &Value| match face {
            Some(face) => Ok(face.store(change(&face.show(old.clone()))?)),
            None => change(old),
        };
        Ok(self.modify_stored(user, stored, key, subresource, options, retry, change).await?.shown(kind))
    }

    #[allow(clippy::too_many_arguments)]
    async fn modify_stored(
        &self,
        user: &User,
        kind: &'static Kind,
        key: &Key,
        subresource: &str,
        options: &WriteOptions,
        retry: bool,
        change: impl Fn(&Value) -> Result<Value, ApiError>,
    ) -> Result<Written, ApiError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let current = self.get(kind, key).await?;
            let old = current.value();
            let mut new = change(&old)?;
            named(kind, key, &mut new)?;
            preconditions(kind, &new, &current)?;
            let writer = Writer::new(kind, user, subresource, options, self.backend().now());
            let reserved = self.merge(user, kind, subresource, &writer, &mut new, &old).await?;
            let mut warnings = if subresource.is_empty() { kind.strategy.warnings(&new) } else { Vec::new() };
            if new == old {
                return Ok(Written { object: current, warnings, created: false });
            }
            writer.stamp(&mut new);
            admission::judge(self, kind, subresource, &new, Some(&old), &mut warnings)?;
            let charged = match admission::changes_use(kind, subresource) {
                true => admission::charge(self, kind, &new, Some(&old)).await?,
                false => admission::Charged::default(),
            };
            if options.dry_run {
                let object = commit::unsaved(&new, current.revision);
                return Ok(Written { object, warnings, created: false });
            }
            let (uid, expected, body) = (current.uid.clone(), current.revision, Body::of(&new));
            let action = if finished(kind, &new, &old) {
                Action::Delete { uid, expected, body }
            } else {
                Action::Update { uid, expected, body }
            };
            let done = self.commit(user, kind, key, action, charged.charges).await;
            drop(reserved);
            match done {
                Ok(object) => return Ok(Written { object, warnings, created: false }),
                Err(WriteError::Overtaken) if attempts < CONFLICT_RETRIES => {}
                Err(WriteError::Conflict) if retry && attempts < CONFLICT_RETRIES => {}
                Err(error) => return Err(commit::explain(kind, &key.name, error)),
            }
        }
    }

    /// Makes of `new` what will be stored after `old`: what a client may not change comes from `old`.
    async fn merge(
        &self,
        user: &User,
        kind: &'static Kind,
        subresource: &str,
        writer: &Writer<'_>,
        new: &mut Value,
        old: &Value,
    ) -> Result<admission::Reserved, ApiError> {
        let owners = writer.before(new, old);
        let itself = matches!(subresource, "" | SCALE);
        carry_over(new, old);
        match subresource {
            "" | SCALE => {
                if kind.subresource("status").is_some() {
                    restore(new, old, "status");
                }
            }
            "status" | APPROVAL => only_status(kind, new, old),
            FINALIZE => {
                let finalizers = new["spec"]["finalizers"].take();
                *new = old.clone();
                meta::member_mut(new, "spec").insert("finalizers".into(), finalizers);
            }
            // Made by the server itself, condition included.
            BINDING => {}
            _ => restore(new, old, "status"),
        }
        managed::set(new, owners);
        let mut reserved = admission::Reserved::default();
        let mut errors = Vec::new();
        if subresource != FINALIZE {
            let place = if itself { "" } else { subresource };
            let context = Context { now: self.backend().now(), user: &user.name, subresource: place };
            if let Some(schema) = registry::get(kind.schema) {
                defaults::apply(schema, new);
            }
            kind.strategy.default(new);
            if subresource != BINDING {
                writer.changed(new, old);
            }
            kind.strategy.prepare_update(new, old, &context);
            if itself {
                node::restrict(user, kind, new, Some(old))?;
                escalation::check(self, user, kind, new, Some(old))?;
                reserved = admission::on_update(self, kind, new, old)?;
                errors.extend(kind.strategy.validate(new));
            }
            admission::decide_certificate(self, user, kind, subresource, new, old)?;
            errors.extend(kind.strategy.validate_update(new, old, &context));
        }
        if subresource != BINDING {
            bump_generation(kind, new, old);
        }
        errors.extend(metadata::validate(kind, new, Some(old)));
        if errors.is_empty() {
            Ok(reserved)
        } else {
            Err(ApiError::invalid(kind.kind, kind.group, meta::name(new), &errors))
        }
    }
}

/// The object must bear the name and namespace of the request, or none.
pub(super) fn named(kind: &Kind, key: &Key, object: &mut Value) -> Result<(), ApiError> {
    if !object.is_object() || !(object["metadata"].is_null() || object["metadata"].is_object()) {
        return Err(ApiError::bad_request("the object provided is unrecognized (must be of type Object)"));
    }
    let name = meta::name(object);
    if !name.is_empty() && name != key.name {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            key.name
        )));
    }
    identify(kind, object);
    check_namespace(kind, &key.namespace, object)?;
    meta::metadata_mut(object).insert("name".into(), key.name.as_str().into());
    Ok(())
}

/// uid and revision, where the client named them.
fn preconditions(kind: &Kind, new: &Value, current: &Arc<Object>) -> Result<(), ApiError> {
    let uid = meta::uid(new);
    if !uid.is_empty() && uid != current.uid {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", current.uid);
        return Err(ApiError::conflict(kind.plural, kind.group, &current.key.name, &why));
    }
    let revision = meta::string(new, "resourceVersion");
    if revision.is_empty() {
        return Ok(());
    }
    match revision.parse::<u64>() {
        Ok(revision) if revision == current.revision => Ok(()),
        Ok(_) => Err(ApiError::modified(kind.plural, kind.group, &current.key.name)),
        Err(_) => Err(ApiError::invalid(
            kind.kind,
            kind.group,
            &current.key.name,
            &[podium_types::FieldError::invalid("metadata.resourceVersion", &revision.into(), "must be an integer")],
        )),
    }
}

/// Metadata that only the server sets.
fn carry_over(new: &mut Value, old: &Value) {
    let metadata = meta::metadata_mut(new);
    for field in metadata::OWNED.iter().chain(&["resourceVersion", "generateName"]) {
        settle(metadata, field, old["metadata"].get(field));
    }
    // Empty members are absent in Kubernetes' own objects; without this a no-op would be a write.
    for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
        let empty = match metadata.get(field) {
            Some(Value::Object(map)) => map.is_empty(),
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::Null) => true,
            _ => false,
        };
        if empty && old["metadata"].get(field) != metadata.get(field) {
            metadata.remove(field);
        }
    }
}

fn restore(new: &mut Value, old: &Value, field: &str) {
    if let Some(map) = new.as_object_mut() {
        settle(map, field, old.get(field));
    }
}

/// The member as `old` has it; copied only where it differs, which is rare.
fn settle(map: &mut Map<String, Value>, field: &str, old: Option<&Value>) {
    match old {
        Some(old) if map.get(field) == Some(old) => {}
        Some(old) => {
            map.insert(field.into(), old.clone());
        }
        None => {
            map.remove(field);
        }
    }
}

/// A status write changes status, annotations, and labels save where a controller selects by them.
fn only_status(kind: &Kind, new: &mut Value, old: &Value) {
    let fields: &[&str] = if kind.group == "apps" { &["annotations"] } else { &["annotations", "labels"] };
    settle_all(meta::metadata_mut(new), old["metadata"].as_object(), fields);
    if let Some(map) = new.as_object_mut() {
        settle_all(map, old.as_object(), &["metadata", "status"]);
    }
}

/// Every member as `old` has it, but those of `fields`.
fn settle_all(map: &mut Map<String, Value>, old: Option<&Map<String, Value>>, fields: &[&str]) {
    map.retain(|name, _| fields.contains(&name.as_str()) || old.is_some_and(|old| old.contains_key(name)));
    for (name, value) in old.into_iter().flatten().filter(|(name, _)| !fields.contains(&name.as_str())) {
        settle(map, name, Some(value));
    }
}

/// The generation counts changes of what is wished for: everything but metadata and status.
fn bump_generation(kind: &Kind, new: &mut Value, old: &Value) {
    if !kind.generation {
        return;
    }
    let members = |v: &Value| v.as_object().map_or(0, |m| m.iter().filter(|(k, _)| !outside(k)).count());
    let same = members(new) == members(old)
        && new.as_object().into_iter().flatten().filter(|(k, _)| !outside(k)).all(|(k, v)| old.get(k) == Some(v));
    if !same {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
        meta::metadata_mut(new).insert("generation".into(), json!(generation));
    }
}

fn outside(member: &str) -> bool {
    matches!(member, "metadata" | "status" | "kind" | "apiVersion")
}

/// Whether this update removed the last thing that kept an object under deletion.
fn finished(kind: &Kind, new: &Value, old: &Value) -> bool {
    let waiting = |v: &Value| v["spec"]["finalizers"].as_array().is_some_and(|f| !f.is_empty());
    meta::is_deleting(old)
        && old["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
        && meta::finalizers(new).next().is_none()
        && !(kind.resource == "namespaces" && waiting(new))
}
