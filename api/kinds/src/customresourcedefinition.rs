//! CustomResourceDefinition: a kind that users bring along.
//!
//! Deliberately absent: the rules for its OpenAPI schemas, and serving the kind it defines.

use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    json::{at, is_unset, items, set, set_default, text},
    names,
    rules::{self, Errors},
};
use podium_types::{FieldError, meta};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// apiextensions.k8s.io/v1 CustomResourceDefinition.
pub static KIND: Kind = Kind {
    group: "apiextensions.k8s.io",
    kind: "CustomResourceDefinition",
    list_kind: "CustomResourceDefinitionList",
    plural: "customresourcedefinitions",
    singular: "customresourcedefinition",
    short_names: &["crd", "crds"],
    categories: &["api-extensions"],
    namespaced: false,
    resource: "customresourcedefinitions.apiextensions.k8s.io",
    schema: "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
    subresources: &[Subresource::part("status", "CustomResourceDefinition")],
    columns: &[Column::NAME, Column::text("Created At")],
    row: cells::name_and_creation,
    generation: true,
    strategy: &Definition,
    ..Kind::PLAIN
};

struct Definition;

impl Strategy for Definition {
    fn default(&self, object: &mut Value) {
        let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
        if let Some(names) = spec.get_mut("names").filter(|n| n.is_object()) {
            let kind = text(&names["kind"]).to_owned();
            if !kind.is_empty() {
                set_default(names, "singular", kind.to_lowercase());
                set_default(names, "listKind", format!("{kind}List"));
            }
        }
        set_default(spec, "conversion", json!({"strategy": "None"}));
    }

    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        let stored: Vec<Value> = storage(object).collect();
        let status = json!({"acceptedNames": {"kind": "", "plural": ""}, "conditions": [], "storedVersions": stored});
        set(object, "status", status);
    }

    fn prepare_update(&self, object: &mut Value, _old: &Value, context: &Context<'_>) {
        if !context.subresource.is_empty() {
            return;
        }
        // Objects of every version that was ever stored may still be there.
        let mut stored = items(at(object, "status.storedVersions")).to_vec();
        stored.extend(storage(object).filter(|v| !stored.contains(v)).collect::<Vec<_>>());
        if let Some(status) = object.get_mut("status") {
            set(status, "storedVersions", stored);
        }
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        let (group, plural) = (text(&spec["group"]), text(at(spec, "names.plural")));
        if meta::name(object) != format!("{plural}.{group}") {
            let why = "must be spec.names.plural+\".\"+spec.group";
            errors.push(FieldError::invalid("metadata.name", &json!(meta::name(object)), why));
        }
        if group.is_empty() {
            errors.push(FieldError::required("spec.group", ""));
        } else if !group.contains('.') {
            errors.push(FieldError::invalid("spec.group", &spec["group"], "should be a domain with at least one dot"));
        } else {
            rules::form(&mut errors, names::dns_subdomain(group), "spec.group", group);
        }
        rules::required_one_of(&mut errors, &spec["scope"], "spec.scope", &["Cluster", "Namespaced"]);
        called(&mut errors, &spec["names"]);
        versions(&mut errors, spec);
        let strategies = &["None", "Webhook"];
        rules::required_one_of(&mut errors, at(spec, "conversion.strategy"), "spec.conversion.strategy", strategies);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let (new, before) = (&object["spec"], &old["spec"]);
        rules::fixed(&mut errors, new, before, "spec", &["group"]);
        let established = items(at(old, "status.conditions"))
            .iter()
            .any(|c| text(&c["type"]) == "Established" && text(&c["status"]) == "True");
        if established {
            rules::fixed(&mut errors, new, before, "spec", &["scope"]);
            rules::fixed(&mut errors, &new["names"], &before["names"], "spec.names", &["plural", "kind"]);
        }
        let known: BTreeSet<&str> = items(&new["versions"]).iter().map(|v| text(&v["name"])).collect();
        for (i, version) in items(at(object, "status.storedVersions")).iter().enumerate() {
            if !known.contains(text(version)) {
                let why = "missing from spec.versions; existing objects may be stored in this version";
                errors.push(FieldError::invalid(format!("status.storedVersions[{i}]"), version, why));
            }
        }
        errors
    }
}

/// The version that objects are stored in.
fn storage(object: &Value) -> impl Iterator<Item = Value> {
    let versions = items(at(object, "spec.versions")).iter();
    versions.filter(|v| v["storage"] == json!(true)).map(|v| v["name"].clone())
}

fn called(errors: &mut Errors, called: &Value) {
    for field in ["plural", "singular", "kind", "listKind"] {
        let (path, word) = (format!("spec.names.{field}"), text(&called[field]));
        if word.is_empty() {
            errors.push(FieldError::required(path, ""));
        } else {
            rules::form(errors, names::dns_1035_label(&word.to_lowercase()), &path, word);
        }
    }
    for field in ["shortNames", "categories"] {
        for (i, word) in items(&called[field]).iter().map(text).enumerate() {
            rules::form(errors, names::dns_1035_label(word), &format!("spec.names.{field}[{i}]"), word);
        }
    }
    if !is_unset(&called["kind"]) && called["kind"] == called["listKind"] {
        let why = "kind and listKind may not be the same";
        errors.push(FieldError::invalid("spec.names.listKind", &called["listKind"], why));
    }
}

fn versions(errors: &mut Errors, spec: &Value) {
    let (versions, mut seen) = (items(&spec["versions"]), BTreeSet::new());
    for (i, version) in versions.iter().enumerate() {
        let (path, name) = (format!("spec.versions[{i}]"), text(&version["name"]));
        rules::form(errors, names::dns_1035_label(name), &format!("{path}.name"), name);
        rules::unique(errors, &mut seen, name, &format!("{path}.name"));
        if at(version, "schema.openAPIV3Schema").is_null() {
            errors.push(FieldError::required(format!("{path}.schema.openAPIV3Schema"), "schemas are required"));
        }
        for (j, column) in items(&version["additionalPrinterColumns"]).iter().enumerate() {
            for field in ["name", "type", "jsonPath"] {
                let path = format!("{path}.additionalPrinterColumns[{j}].{field}");
                rules::required(errors, &column[field], &path, "");
            }
        }
    }
    if versions.iter().filter(|v| v["storage"] == json!(true)).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid_list("spec.versions", &spec["versions"], why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CONTEXT, changes, defaulted, errors};

    fn definition() -> Value {
        let version =
            json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}});
        json!({"metadata": {"name": "crons.a.io"}, "spec": {"group": "a.io", "scope": "Namespaced",
            "names": {"plural": "crons", "kind": "Cron"}, "versions": [version]}})
    }

    #[test]
    fn names_and_versions_are_filled_in() {
        let mut object = defaulted(&KIND, &definition());
        assert_eq!(
            (&object["spec"]["names"]["singular"], &object["spec"]["names"]["listKind"]),
            (&json!("cron"), &json!("CronList"))
        );
        KIND.strategy.prepare_create(&mut object, &CONTEXT);
        assert_eq!(object["status"]["storedVersions"], json!(["v1"]));
        let old = object.clone();
        object["spec"]["versions"][0]["name"] = json!("v2");
        KIND.strategy.prepare_update(&mut object, &old, &CONTEXT);
        assert_eq!(object["status"]["storedVersions"], json!(["v1", "v2"]));
        let why = "missing from spec.versions; existing objects may be stored in this version";
        assert_eq!(changes(&KIND, &object, &old), [format!("status.storedVersions[0]: Invalid value: \"v1\": {why}")]);
    }

    #[test]
    fn messages() {
        assert_eq!(errors(&KIND, &definition()), [""; 0]);
        let mut odd = definition();
        odd["metadata"]["name"] = json!("x");
        odd["spec"]["scope"] = json!("Planet");
        odd["spec"]["versions"][0] = json!({"name": "v1", "storage": false});
        let found = errors(&KIND, &odd);
        assert_eq!(
            found[..3],
            [
                r#"metadata.name: Invalid value: "x": must be spec.names.plural+"."+spec.group"#,
                r#"spec.scope: Unsupported value: "Planet": supported values: "Cluster", "Namespaced""#,
                "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required",
            ]
        );
        assert!(found[3].ends_with("must have exactly one version marked as storage version"));
    }
}
