//! The patches of the Kubernetes API: JSON patch, merge patch, strategic merge patch.
//!
//! Server-side apply is no patch of values but of ownership, and lives elsewhere.

mod strategic;

pub use strategic::strategic;

use podium_types::ApiError;
use serde_json::{Value, json};

/// Most operations of a JSON patch, as in kube-apiserver.
const MAX_OPERATIONS: usize = 10_000;
/// Most bytes that the copies of one JSON patch add together, as in kube-apiserver; each may double the object.
const MAX_COPIED: usize = 3 << 20;

/// Applies a JSON patch (RFC 6902). 400 where it cannot be read, 422 where it cannot be applied.
pub fn json(original: &Value, patch: &Value) -> Result<Value, ApiError> {
    let operations: json_patch::Patch = serde_json::from_value(patch.clone())
        .map_err(|e| ApiError::bad_request(format!("error decoding patch: {e}")))?;
    if operations.len() > MAX_OPERATIONS {
        let message =
            format!("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}", operations.len());
        return Err(ApiError { code: 413, ..ApiError::new(413, "RequestEntityTooLarge", message) });
    }
    let mut patched = original.clone();
    let mut copied = 0;
    for operation in &operations.0 {
        if let json_patch::PatchOperation::Copy(copy) = operation {
            copied += patched.pointer(copy.from.as_str()).map_or(0, size);
            if copied > MAX_COPIED {
                let why = format!(
                    "Unable to complete the copy, the accumulated size increase of copy is {copied}, exceeding the \
                     limit {MAX_COPIED}"
                );
                return Err(unprocessable(&why));
            }
        }
        json_patch::patch(&mut patched, std::slice::from_ref(operation)).map_err(|e| invalid(&e))?;
    }
    Ok(patched)
}

/// Bytes of a value as JSON, quotes and commas left out.
fn size(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.iter().map(|(name, value)| name.len() + size(value)).sum::<usize>() + 2,
        Value::Array(list) => list.iter().map(size).sum::<usize>() + 2,
        Value::String(text) => text.len(),
        _ => 1,
    }
}

/// 422 in the words that kube-apiserver passes on from its JSON patch library.
fn invalid(error: &json_patch::PatchError) -> ApiError {
    use json_patch::PatchErrorKind as Kind;
    let path = error.path.to_string();
    let why = match error.kind {
        Kind::TestFailed => format!("testing value {path} failed"),
        Kind::InvalidPointer | Kind::InvalidFromPointer => {
            format!("operation does not apply: doc is missing path: {path:?}: missing value")
        }
        _ => error.to_string(),
    };
    unprocessable(&why)
}

fn unprocessable(why: &str) -> ApiError {
    let text = format!("the server rejected our request due to an error in our request: {why}");
    // Kubernetes has details without anything in them; Go clients look into them.
    ApiError { details: Some(json!({})), ..ApiError::new(422, "Invalid", text) }
}

/// Applies a JSON merge patch (RFC 7386): `null` removes, objects merge, all else replaces.
pub fn merge(target: &mut Value, patch: &Value) {
    json_patch::merge(target, patch);
}

#[cfg(test)]
mod tests;
