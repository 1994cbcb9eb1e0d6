//! Patching: read, change, commit.

use super::{Api, Patch, WriteOptions, Written};
use crate::user::User;
use podium_kinds::Kind;
use podium_machinery::patch;
use podium_types::{ApiError, Key, meta, registry};
use serde_json::Value;

impl Api {
    /// Applies `patch` to the object of `key`, or to one subresource of it.
    ///
    /// Repeated where somebody else writes at the same time, unless the patch itself names a revision.
    pub async fn patch(
        &self,
        user: &User,
        kind: &'static Kind,
        key: &Key,
        subresource: &str,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        self.patch_checked(user, kind, key, subresource, patch, options, Ok).await
    }

    /// The same, with a check of the patched object before it goes on (field validation).
    #[allow(clippy::too_many_arguments)]
    pub(crate) async fn patch_checked(
        &self,
        user: &User,
        kind: &'static Kind,
        key: &Key,
        subresource: &str,
        patch: &Patch,
        options: &WriteOptions,
        check: impl Fn(Value) -> Result<Value, ApiError>,
    ) -> Result<Written, ApiError> {
        if kind.live {
            return Err(ApiError::method_not_allowed());
        }
        let retry = match patch {
            Patch::Json(_) => true,
            Patch::Merge(value) | Patch::Strategic(value) => meta::string(value, "resourceVersion").is_empty(),
        };
        self.modify(user, kind, key, subresource, options, retry, |old| check(apply(kind.schema, old, patch)?)).await
    }
}

/// The object after the patch.
pub(super) fn apply(schema: &str, old: &Value, patch: &Patch) -> Result<Value, ApiError> {
    match patch {
        Patch::Json(value) => patch::json(old, value),
        Patch::Merge(value) => {
            let mut new = old.clone();
            patch::merge(&mut new, value);
            Ok(new)
        }
        Patch::Strategic(value) => match registry::get(schema) {
            Some(schema) => patch::strategic(schema, old, value),
            None => Err(ApiError::unsupported_media_type("application/json-patch+json, application/merge-patch+json")),
        },
    }
}
