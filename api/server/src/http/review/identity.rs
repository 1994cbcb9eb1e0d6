//! Whose token is that, and who am I: TokenReview and SelfSubjectReview.

use super::super::app::App;
use crate::{auth::ISSUER, user::User};
use podium_types::ApiError;
use serde_json::{Value, json};

/// The status of a SelfSubjectReview.
pub(super) fn oneself(user: &User) -> Value {
    json!({"userInfo": info(user)})
}

/// The status of a TokenReview. An audience that was asked for must be one of the token's.
pub(super) fn token(app: &App, spec: &Value) -> Result<Value, ApiError> {
    let token = spec["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        return Err(ApiError::bad_request("token is required for TokenReview in authentication"));
    }
    let asked: Vec<&str> = spec["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let audiences = if asked.is_empty() { vec![ISSUER] } else { asked };
    Ok(match app.tokens.review(&app.api, token, &audiences) {
        Some((user, audiences)) => json!({"authenticated": true, "user": info(&user), "audiences": audiences}),
        None => json!({"user": {}, "error": "invalid bearer token"}),
    })
}

fn info(user: &User) -> Value {
    let mut info = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        info["uid"] = json!(user.uid);
    }
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}
