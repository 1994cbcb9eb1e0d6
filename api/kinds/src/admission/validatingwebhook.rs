//! ValidatingWebhookConfiguration: who may refuse what is written.

use super::webhook;
use crate::{Column, Kind, Strategy};
use podium_types::FieldError;
use serde_json::Value;

/// admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration.
pub static KIND: Kind = Kind {
    group: "admissionregistration.k8s.io",
    kind: "ValidatingWebhookConfiguration",
    list_kind: "ValidatingWebhookConfigurationList",
    plural: "validatingwebhookconfigurations",
    singular: "validatingwebhookconfiguration",
    categories: &["api-extensions"],
    namespaced: false,
    resource: "validatingwebhookconfigurations.admissionregistration.k8s.io",
    schema: "io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration",
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
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        webhook::validate(object)
    }
}
