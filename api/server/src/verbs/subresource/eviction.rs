//! `pods/eviction`: a delete that asks first. Disruption budgets are a later matter.

use super::{kind, success};
use crate::{
    user::User,
    verbs::{Api, DeleteOptions},
};
use podium_types::{ApiError, Key};
use serde_json::Value;

impl Api {
    /// Deletes the pod as the Eviction's `deleteOptions` say.
    pub async fn evict(&self, user: &User, key: &Key, options: &DeleteOptions) -> Result<Value, ApiError> {
        self.delete(user, kind("pods")?, key, options).await?;
        Ok(success(201))
    }
}
