//! Server-side apply: the object gets what the configuration says, and loses what it no longer says.

use super::{Api, CONFLICT_RETRIES, WriteOptions, Written, managed::Writer, update::named};
use crate::user::User;
use podium_kinds::Kind;
use podium_machinery::apply::{self, Operation};
use podium_types::{ApiError, Key, meta, registry};
use serde_json::{Map, Value};

/// What a configuration for `status` may say of metadata.
const STATUS_METADATA: &[&str] = &["name", "namespace", "annotations", "labels", "uid", "resourceVersion"];

impl Api {
    /// Applies `config` to the object of `key` or to one subresource of it; makes the object where
    /// it is not there. `force` takes fields away from other managers.
    #[allow(clippy::too_many_arguments)]
    pub async fn apply(
        &self,
        user: &User,
        kind: &'static Kind,
        key: &Key,
        subresource: &str,
        mut config: Value,
        force: bool,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let Some(schema) = registry::get(kind.schema).filter(|_| !kind.live) else {
            return Err(ApiError::method_not_allowed());
        };
        let options = WriteOptions { operation: Operation::Apply, ..options.clone() };
        reduce(kind, subresource, &mut config);
        named(kind, key, &mut config)?;
        if config["metadata"]["managedFields"].as_array().is_some_and(|list| !list.is_empty()) {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        let writer = Writer::new(kind, user, subresource, &options, self.backend().now());
        let retry = meta::string(&config, "resourceVersion").is_empty();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let change = |old: &Value| apply::applied(schema, old, &config, &writer.manager(), force);
            match self.modify(user, kind, key, subresource, &options, retry, change).await {
                Err(error) if error.code == 404 && subresource.is_empty() => {}
                done => return done,
            }
            absent(kind, key, &config)?;
            match self.create(user, kind, &key.namespace, config.clone(), &options).await {
                // Somebody else was faster; now there is something to apply to.
                Err(error) if error.reason == "AlreadyExists" && attempts < CONFLICT_RETRIES => {}
                done => return done,
            }
        }
    }
}

/// A configuration that names a uid means an object that is there.
fn absent(kind: &Kind, key: &Key, config: &Value) -> Result<(), ApiError> {
    let uid = meta::uid(config);
    if uid.is_empty() {
        return Ok(());
    }
    let why = format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
    Err(ApiError::conflict(kind.plural, kind.group, &key.name, &why))
}

/// Takes out what cannot be written here, so that it is not owned either.
fn reduce(kind: &Kind, subresource: &str, config: &mut Value) {
    let Some(map) = config.as_object_mut() else { return };
    match subresource {
        "" if kind.subresource("status").is_some() => {
            map.remove("status");
        }
        "status" => {
            map.retain(|name, _| matches!(name.as_str(), "kind" | "apiVersion" | "metadata" | "status"));
            if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
                let labels = kind.group != "apps";
                let kept = |name: &str| STATUS_METADATA.contains(&name) && (labels || name != "labels");
                *metadata = std::mem::take(metadata).into_iter().filter(|(name, _)| kept(name)).collect::<Map<_, _>>();
            }
        }
        _ => {}
    }
}
