//! MutatingWebhookConfiguration: who may change what is written, before it is.

use super::webhook;
use crate::{
    Column, Kind, Strategy,
    json::{items_mut, set_default},
};
use podium_types::FieldError;
use serde_json::Value;

/// admissionregistration.k8s.io/v1 MutatingWebhookConfiguration.
pub static KIND: Kind = Kind {
    group: "admissionregistration.k8s.io",
    kind: "MutatingWebhookConfiguration",
    list_kind: "MutatingWebhookConfigurationList",
    plural: "mutatingwebhookconfigurations",
    singular: "mutatingwebhookconfiguration",
    categories: &["api-extensions"],
    namespaced: false,
    resource: "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    schema: "io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration",
    columns: &[Column::NAME, Column::integer("Webhooks"), Column::AGE],
    row: webhook::row,
    generation: true,
    strategy: &Configuration,
    ..Kind::PLAIN
};

struct Configuration;

impl Strategy for Configuration {
    fn default(&self, object: &mut Value) {
        webhook::defaults(object);
        items_mut(object, "webhooks").for_each(|webhook| set_default(webhook, "reinvocationPolicy", "Never"));
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        webhook::validate(object)
    }
}
