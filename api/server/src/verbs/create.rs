//! Creating an object.

use super::{Api, CONFLICT_RETRIES, WriteOptions, Written, commit, faces, managed::Writer, metadata, names};
use crate::{
    admission,
    auth::{escalation, node},
    user::User,
};
use podium_kinds::{Context, Kind};
use podium_machinery::{
    defaults,
    state::{Action, Body, WriteError},
};
use podium_types::{ApiError, meta, registry};
use serde_json::{Value, json};

/// Kinds whose creator sets the status: a node registers itself with what it has.
const STATUS_ON_CREATE: &[&str] = &["nodes"];

/// The outer error is the store's: its cause, the name, and whether the name was generated.
type Attempt = Result<Result<Written, ApiError>, (WriteError, String, bool)>;

fn settled(kind: &Kind, attempt: Attempt) -> Result<Written, ApiError> {
    attempt.unwrap_or_else(|(error, name, _)| Err(commit::explain(kind, &name, error)))
}

impl Api {
    /// Creates `object`; `namespace` is empty for cluster-scoped kinds.
    ///
    /// A name made from `generateName` that is taken is made anew.
    pub async fn create(
        &self,
        user: &User,
        kind: &'static Kind,
        namespace: &str,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let (stored, face) = faces::stored(kind);
        let object = match face {
            Some(face) => face.store(object),
            None => object,
        };
        Ok(self.create_stored(user, stored, namespace, object, options).await?.shown(kind))
    }

    async fn create_stored(
        &self,
        user: &User,
        kind: &'static Kind,
        namespace: &str,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        if kind.live {
            return Err(ApiError::method_not_allowed());
        }
        // Only a name that is yet to be made may be made again.
        if meta::name(&object).is_empty() {
            for _ in 1..CONFLICT_RETRIES {
                match self.create_once(user, kind, namespace, object.clone(), options).await {
                    Err((WriteError::AlreadyExists, _, true)) => {}
                    done => return settled(kind, done),
                }
            }
        }
        settled(kind, self.create_once(user, kind, namespace, object, options).await)
    }

    async fn create_once(
        &self,
        user: &User,
        kind: &'static Kind,
        namespace: &str,
        mut object: Value,
        options: &WriteOptions,
    ) -> Attempt {
        let generated = match self.begin(kind, namespace, &mut object) {
            Ok(generated) => generated,
            Err(error) => return Ok(Err(error)),
        };
        let name = meta::name(&object).to_owned();
        let (reserved, warnings) = match self.prepare(user, kind, &mut object, options).await {
            Ok(prepared) => prepared,
            Err(error) => return Ok(Err(error)),
        };
        let key = meta::key(&object);
        let mut attempts = 0;
        let done = loop {
            attempts += 1;
            let charged = match admission::charge(self, kind, &object, None).await {
                Ok(charged) => charged,
                Err(error) => return Ok(Err(error)),
            };
            if options.dry_run {
                if self.peek(kind, &key).is_some() {
                    return Err((WriteError::AlreadyExists, name, generated));
                }
                return Ok(Ok(Written { object: commit::unsaved(&object, 0), warnings, created: true }));
            }
            let action = Action::Create { uid: meta::uid(&object).to_owned(), body: Body::of(&object) };
            match self.commit(user, kind, &key, action, charged.charges).await {
                // Somebody else charged the same quota: whether there is room is to be seen anew.
                Err(WriteError::Overtaken) if attempts < CONFLICT_RETRIES => {}
                done => break done,
            }
        };
        drop(reserved);
        match done {
            Ok(object) => Ok(Ok(Written { object, warnings, created: true })),
            Err(error) => Err((error, name, generated)),
        }
    }

    /// Name, namespace and the members of metadata that the server owns. True where the name was generated.
    fn begin(&self, kind: &'static Kind, namespace: &str, object: &mut Value) -> Result<bool, ApiError> {
        if !object.is_object() || !(object["metadata"].is_null() || object["metadata"].is_object()) {
            return Err(ApiError::bad_request("the object provided is unrecognized (must be of type Object)"));
        }
        if meta::revision(object).is_some() {
            return Err(ApiError::bad_request("resourceVersion should not be set on objects to be created"));
        }
        identify(kind, object);
        check_namespace(kind, namespace, object)?;
        let base = meta::string(object, "generateName").to_owned();
        let generated = meta::name(object).is_empty() && !base.is_empty();
        let uid = self.backend().uid();
        let name = generated.then(|| names::generate(&base, &uid));
        let now = crate::time::stamp(self.backend().now());
        let metadata = meta::metadata_mut(object);
        for field in metadata::OWNED.iter().chain(&["managedFields", "resourceVersion"]) {
            metadata.remove(*field);
        }
        if let Some(name) = name {
            metadata.insert("name".into(), name.into());
        }
        metadata.insert("uid".into(), uid.into());
        metadata.insert("creationTimestamp".into(), now.into());
        if kind.generation {
            metadata.insert("generation".into(), json!(1));
        }
        if kind.subresource("status").is_some()
            && !STATUS_ON_CREATE.contains(&kind.resource)
            && let Some(map) = object.as_object_mut()
        {
            map.remove("status");
        }
        Ok(generated)
    }

    /// Defaults, admission, validation. What is reserved must live until the write is committed; warnings
    /// are for the client.
    async fn prepare(
        &self,
        user: &User,
        kind: &'static Kind,
        object: &mut Value,
        options: &WriteOptions,
    ) -> Result<(admission::Reserved, Vec<String>), ApiError> {
        let now = self.backend().now();
        let context = Context { now, user: &user.name, subresource: "" };
        let writer = Writer::new(kind, user, "", options, now);
        writer.made(object, false);
        if let Some(schema) = registry::get(kind.schema) {
            defaults::apply(schema, object);
        }
        kind.strategy.default(object);
        writer.made(object, true);
        node::restrict(user, kind, object, None)?;
        escalation::check(self, user, kind, object, None)?;
        admission::fill_in(self, kind, object).await?;
        kind.strategy.prepare_create(object, &context);
        let reserved = admission::on_create(self, user, kind, object)?;
        let mut errors = metadata::validate(kind, object, None);
        errors.extend(kind.strategy.validate(object));
        errors.extend(kind.strategy.validate_create(object));
        if !errors.is_empty() {
            return Err(ApiError::invalid(kind.kind, kind.group, meta::name(object), &errors));
        }
        let mut warnings = kind.strategy.warnings(object);
        admission::judge(self, kind, "", object, None, &mut warnings)?;
        Ok((reserved, warnings))
    }
}

/// Sets `kind` and `apiVersion` to what is stored.
pub(super) fn identify(kind: &Kind, object: &mut Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert("kind".into(), kind.kind.into());
        map.insert("apiVersion".into(), kind.api_version().into());
    }
}

/// The namespace of the request goes into the object; another one there is refused.
pub(super) fn check_namespace(kind: &Kind, namespace: &str, object: &mut Value) -> Result<(), ApiError> {
    let own = meta::namespace(object).to_owned();
    if !kind.namespaced {
        meta::metadata_mut(object).remove("namespace");
        return Ok(());
    }
    if !own.is_empty() && own != namespace {
        return Err(ApiError::bad_request(format!(
            "the namespace of the provided object does not match the namespace sent on the request ({own} != {namespace})"
        )));
    }
    meta::metadata_mut(object).insert("namespace".into(), namespace.into());
    Ok(())
}
