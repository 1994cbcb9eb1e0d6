//! Subresources with a body of their own: bindings, evictions, scales, tokens.

mod binding;
mod eviction;
mod scale;
mod token;

pub(crate) use scale::SCHEMA as SCALE;

use podium_types::ApiError;
use serde_json::{Value, json};

/// The answer to an action that went well.
pub fn success(code: u16) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code})
}

/// A kind that other rules stand on; it is missing only from a broken build.
fn kind(resource: &str) -> Result<&'static podium_kinds::Kind, ApiError> {
    podium_kinds::by_resource(resource).ok_or_else(ApiError::no_such_path)
}
