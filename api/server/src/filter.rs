//! Label and field selectors of one request.

use podium_kinds::Kind;
use podium_machinery::{
    selectors::{FieldSelector, LabelSelector},
    state::Object,
};
use podium_types::ApiError;

/// Both selectors; the default lets everything pass.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    labels: Option<LabelSelector>,
    fields: Option<FieldSelector>,
}

impl Filter {
    /// From `labelSelector` and `fieldSelector`; empty strings select everything.
    pub fn parse(kind: &Kind, labels: &str, fields: &str) -> Result<Self, ApiError> {
        let labels = if labels.is_empty() { None } else { Some(LabelSelector::parse(labels)?) };
        let fields = if fields.is_empty() { None } else { Some(FieldSelector::parse(fields)?) };
        if let Some(fields) = &fields {
            fields.check(kind)?;
        }
        Ok(Self { labels, fields })
    }
    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.labels.is_none() && self.fields.is_none()
    }
    /// Whether the object passes. Its JSON is parsed only where a field beside name and namespace is asked for.
    pub fn matches(&self, kind: &Kind, object: &Object) -> bool {
        self.labels.as_ref().is_none_or(|l| l.matches(&object.labels))
            && self.fields.as_ref().is_none_or(|f| fields_match(kind, f, object))
    }
}

/// Name and namespace are in the key; other fields need the JSON.
fn fields_match(kind: &Kind, selector: &FieldSelector, object: &Object) -> bool {
    let of_key = |field: &str| match field {
        "metadata.name" => Some(object.key.name.clone()),
        "metadata.namespace" => Some(object.key.namespace.clone()),
        _ => None,
    };
    let known = selector.terms().iter().all(|term| of_key(&term.path).is_some());
    if known { selector.matches_with(of_key) } else { selector.matches(kind, &object.value()) }
}
