//! FlowSchema: which requests belong to which priority level.

use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    cells::number,
    json::{is_unset, items, set, set_default_number, text},
    rules::{self, Errors, child},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// Where a schema stands in the order of matching when it does not say, and the last place.
const USUAL_PRECEDENCE: i64 = 1000;
const MAX_PRECEDENCE: i64 = 10_000;

/// flowcontrol.apiserver.k8s.io/v1 FlowSchema.
pub static KIND: Kind = Kind {
    group: "flowcontrol.apiserver.k8s.io",
    kind: "FlowSchema",
    list_kind: "FlowSchemaList",
    plural: "flowschemas",
    singular: "flowschema",
    namespaced: false,
    resource: "flowschemas.flowcontrol.apiserver.k8s.io",
    schema: "io.k8s.api.flowcontrol.v1.FlowSchema",
    subresources: &[Subresource::part("status", "FlowSchema")],
    columns: &[
        Column::NAME,
        Column::text("PriorityLevel"),
        Column::integer("MatchingPrecedence"),
        Column::text("DistinguisherMethod"),
        Column::AGE,
        Column::text("MissingPL"),
    ],
    row,
    generation: true,
    strategy: &Schema,
    ..Kind::PLAIN
};

struct Schema;

impl Strategy for Schema {
    fn default(&self, object: &mut Value) {
        if let Some(spec) = object.get_mut("spec") {
            set_default_number(spec, "matchingPrecedence", USUAL_PRECEDENCE);
        }
    }
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({}));
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        let precedence = &spec["matchingPrecedence"];
        rules::at_least(&mut errors, precedence, "spec.matchingPrecedence", 1);
        if precedence.as_i64().is_some_and(|p| p > MAX_PRECEDENCE) {
            let why = format!("must not be greater than {MAX_PRECEDENCE}");
            errors.push(FieldError::invalid("spec.matchingPrecedence", precedence, &why));
        }
        let level = &spec["priorityLevelConfiguration"]["name"];
        let path = "spec.priorityLevelConfiguration.name";
        rules::required(&mut errors, level, path, "must reference a priority level");
        let method = &spec["distinguisherMethod"];
        if !method.is_null() {
            let (kinds, path) = (&["ByNamespace", "ByUser"], "spec.distinguisherMethod.type");
            rules::required_one_of(&mut errors, &method["type"], path, kinds);
        }
        for (i, rule) in items(&spec["rules"]).iter().enumerate() {
            self::rule(&mut errors, rule, &format!("spec.rules[{i}]"));
        }
        errors
    }
}

fn rule(errors: &mut Errors, rule: &Value, path: &str) {
    let why = "subjects must contain at least one value";
    rules::required(errors, &rule["subjects"], &child(path, "subjects"), why);
    for (i, subject) in items(&rule["subjects"]).iter().enumerate() {
        let path = format!("{path}.subjects[{i}]");
        let field = match text(&subject["kind"]) {
            "User" => "user",
            "Group" => "group",
            "ServiceAccount" => "serviceAccount",
            _ => {
                let kinds = &["Group", "ServiceAccount", "User"];
                errors.push(FieldError::not_supported(child(&path, "kind"), &subject["kind"], kinds));
                continue;
            }
        };
        let why = format!("{field} is required when subject kind is '{}'", text(&subject["kind"]));
        rules::required(errors, &subject[field]["name"], &format!("{path}.{field}"), &why);
    }
    if is_unset(&rule["resourceRules"]) && is_unset(&rule["nonResourceRules"]) {
        let why = "at least one of resourceRules and nonResourceRules has to be non-empty";
        errors.push(FieldError::required(path, why));
    }
    for (list, fields) in [
        ("resourceRules", &["verbs", "apiGroups", "resources"][..]),
        ("nonResourceRules", &["verbs", "nonResourceURLs"]),
    ] {
        for (i, entry) in items(&rule[list]).iter().enumerate() {
            for field in fields {
                rules::required(errors, &entry[*field], &format!("{path}.{list}[{i}].{field}"), "");
            }
        }
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, conditions) = (&object["spec"], items(&object["status"]["conditions"]));
    let dangling = conditions.iter().find(|c| text(&c["type"]) == "Dangling").map_or("?", |c| text(&c["status"]));
    vec![
        cells::name(object),
        json!(text(&spec["priorityLevelConfiguration"]["name"])),
        number(spec, "matchingPrecedence"),
        json!(cells::or_none(&spec["distinguisherMethod"]["type"])),
        cells::age(object, now),
        json!(dangling),
    ]
}
