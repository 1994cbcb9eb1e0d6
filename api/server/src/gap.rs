//! Stands in for modules of the machinery that are being written.
pub(crate) mod defaults {
    pub(crate) fn apply(_schema: &str, _object: &mut serde_json::Value) {}
}
pub(crate) mod patch {
    use podium_types::ApiError;
    use serde_json::Value;
    pub(crate) fn json(_old: &Value, _patch: &Value) -> Result<Value, ApiError> {
        Err(ApiError::unsupported_media_type("application/merge-patch+json"))
    }
    pub(crate) fn merge(old: &Value, patch: &Value) -> Result<Value, ApiError> {
        let mut new = old.clone();
        into(&mut new, patch);
        Ok(new)
    }
    fn into(target: &mut Value, patch: &Value) {
        let Value::Object(members) = patch else {
            *target = patch.clone();
            return;
        };
        if !target.is_object() {
            *target = Value::Object(Default::default());
        }
        for (name, value) in members {
            if value.is_null() {
                if let Some(map) = target.as_object_mut() {
                    map.remove(name);
                }
            } else {
                into(&mut target[name.as_str()], value);
            }
        }
    }
    pub(crate) fn strategic(_schema: &'static podium_types::registry::Type, old: &Value, patch: &Value) -> Result<Value, ApiError> {
        merge(old, patch)
    }
}
