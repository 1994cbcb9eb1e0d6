//! Committing one write, and what its refusals mean to a client.

use super::Api;
use crate::user::User;
use podium_kinds::Kind;
use podium_machinery::state::{Action, Body, Charge, Object, Write, WriteError};
use podium_types::{ApiError, Key, canonical, meta};
use serde_json::Value;
use std::sync::Arc;

/// Seconds after which a client should try again when the database cannot take writes.
const RETRY_AFTER: u32 = 1;

/// The object that a dry run answers: as it would be stored, at the revision it was read at.
pub(super) fn unsaved(object: &Value, revision: u64) -> Arc<Object> {
    let body = Body::of(object);
    let text = if revision == 0 { body.text } else { canonical::with_revision(&body.text, revision) };
    Arc::new(Object {
        key: meta::key(object),
        uid: meta::uid(object).to_owned(),
        revision,
        labels: body.labels,
        json: text.into(),
    })
}

/// A refusal of the store, in Kubernetes' words.
pub(crate) fn explain(kind: &Kind, name: &str, error: WriteError) -> ApiError {
    match error {
        WriteError::AlreadyExists => ApiError::already_exists(kind.plural, kind.group, name),
        WriteError::NotFound => ApiError::not_found(kind.plural, kind.group, name),
        WriteError::Conflict => ApiError::modified(kind.plural, kind.group, name),
        WriteError::Overtaken => ApiError::too_many_requests(error.to_string(), RETRY_AFTER),
        WriteError::Unavailable => ApiError::unavailable(error.to_string(), RETRY_AFTER),
        WriteError::Overloaded => ApiError::too_many_requests(error.to_string(), RETRY_AFTER),
        WriteError::Unknown => ApiError::timeout(error.to_string()),
        WriteError::Refused(_) => ApiError::bad_request(error.to_string()),
    }
}

impl Api {
    pub(super) async fn commit(
        &self,
        user: &User,
        kind: &'static Kind,
        key: &Key,
        action: Action,
        charges: Vec<Charge>,
    ) -> Result<Arc<Object>, WriteError> {
        let write = Write { kind, key: key.clone(), actor: user.name.clone(), action, charges };
        self.backend().commit(write).await
    }
}
