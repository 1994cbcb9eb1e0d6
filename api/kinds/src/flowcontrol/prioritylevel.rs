//! PriorityLevelConfiguration: how many requests of a level are served at a time.

use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    json::{at, plain, set, set_default, set_default_number, text},
    rules::{self, Errors, child},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// Shares of a level that does not say.
const USUAL_SHARES: i64 = 30;
/// Queues of a level that does not say, how many a flow is spread over, and how long each is.
const QUEUING: &[(&str, i64)] = &[("handSize", 8), ("queueLengthLimit", 50), ("queues", 64)];
/// Limit of flowcontrol/v1.
const MAX_QUEUES: i64 = 10_000_000;

/// flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration.
pub static KIND: Kind = Kind {
    group: "flowcontrol.apiserver.k8s.io",
    kind: "PriorityLevelConfiguration",
    list_kind: "PriorityLevelConfigurationList",
    plural: "prioritylevelconfigurations",
    singular: "prioritylevelconfiguration",
    namespaced: false,
    resource: "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
    schema: "io.k8s.api.flowcontrol.v1.PriorityLevelConfiguration",
    subresources: &[Subresource::part("status", "PriorityLevelConfiguration")],
    columns: &[
        Column::NAME,
        Column::text("Type"),
        Column::text("NominalConcurrencyShares"),
        Column::text("Queues"),
        Column::text("HandSize"),
        Column::text("QueueLengthLimit"),
        Column::AGE,
    ],
    row,
    generation: true,
    strategy: &Level,
    ..Kind::PLAIN
};

struct Level;

impl Strategy for Level {
    fn default(&self, object: &mut Value) {
        let Some(spec) = object.get_mut("spec") else { return };
        if let Some(exempt) = spec.get_mut("exempt") {
            set_default(exempt, "nominalConcurrencyShares", 0);
            set_default(exempt, "lendablePercent", 0);
        }
        if let Some(limited) = spec.get_mut("limited") {
            set_default(limited, "nominalConcurrencyShares", USUAL_SHARES);
            set_default(limited, "lendablePercent", 0);
            if let Some(queuing) = limited.get_mut("limitResponse").and_then(|r| r.get_mut("queuing")) {
                QUEUING.iter().for_each(|(field, value)| set_default_number(queuing, field, *value));
            }
        }
    }
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({}));
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        rules::required_one_of(&mut errors, &spec["type"], "spec.type", &["Exempt", "Limited"]);
        let exempt = match text(&spec["type"]) {
            "Exempt" => true,
            "Limited" => false,
            _ => return errors,
        };
        if exempt && !spec["limited"].is_null() {
            let why = "must be nil if the type is not Limited";
            errors.push(FieldError::forbidden("spec.limited", why));
        }
        if !exempt && !spec["exempt"].is_null() {
            let why = "must be nil if the type is Limited";
            errors.push(FieldError::forbidden("spec.exempt", why));
        }
        if !exempt && spec["limited"].is_null() {
            errors.push(FieldError::required("spec.limited", "must not be empty when type is Limited"));
        } else if !exempt {
            limited(&mut errors, &spec["limited"], "spec.limited");
        }
        errors
    }
}

fn limited(errors: &mut Errors, limited: &Value, path: &str) {
    rules::not_negative(errors, limited, path, &["nominalConcurrencyShares", "borrowingLimitPercent"]);
    rules::within(errors, &limited["lendablePercent"], &child(path, "lendablePercent"), 0..=100);
    let (response, path) = (&limited["limitResponse"], child(path, "limitResponse"));
    rules::required_one_of(errors, &response["type"], &child(&path, "type"), &["Queue", "Reject"]);
    let queuing = &response["queuing"];
    match (text(&response["type"]), queuing.is_null()) {
        ("Reject", false) => {
            let why = "must be nil if limited.limitResponse.type is not Limited";
            errors.push(FieldError::forbidden(child(&path, "queuing"), why));
        }
        ("Queue", true) => {
            let why = "must not be empty if limited.limitResponse.type is Limited";
            errors.push(FieldError::required(child(&path, "queuing"), why));
        }
        ("Queue", false) => {
            let path = child(&path, "queuing");
            for (field, _) in QUEUING {
                rules::at_least(errors, &queuing[*field], &child(&path, field), 1);
            }
            let queues = &queuing["queues"];
            if queues.as_i64().is_some_and(|q| q > MAX_QUEUES) {
                let why = format!("must not be greater than {MAX_QUEUES}");
                errors.push(FieldError::invalid(child(&path, "queues"), queues, &why));
            }
            if queuing["handSize"].as_i64() > queues.as_i64() {
                let why = format!("should not be greater than queues ({})", plain(queues));
                errors.push(FieldError::invalid(child(&path, "handSize"), &queuing["handSize"], &why));
            }
        }
        _ => {}
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let shown = |path: &str| match plain(at(spec, path)) {
        none if none.is_empty() => json!(cells::NONE),
        number => json!(number),
    };
    vec![
        cells::name(object),
        json!(text(&spec["type"])),
        shown("limited.nominalConcurrencyShares"),
        shown("limited.limitResponse.queuing.queues"),
        shown("limited.limitResponse.queuing.handSize"),
        shown("limited.limitResponse.queuing.queueLengthLimit"),
        cells::age(object, now),
    ]
}
