//! PersistentVolumeClaim: a wish for storage, and what it is bound to.

use crate::{
    Column, Context, Kind, Strategy, Subresource, cells, diff,
    json::{at, at_mut, is_unset, remove, set, set_default, text},
    names, resources,
    rules::{self, Errors, child},
    storagewords,
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// core/v1 PersistentVolumeClaim.
pub static KIND: Kind = Kind {
    kind: "PersistentVolumeClaim",
    list_kind: "PersistentVolumeClaimList",
    plural: "persistentvolumeclaims",
    singular: "persistentvolumeclaim",
    short_names: &["pvc"],
    resource: "persistentvolumeclaims",
    schema: "io.k8s.api.core.v1.PersistentVolumeClaim",
    subresources: &[Subresource::part("status", "PersistentVolumeClaim")],
    columns: &[
        Column::NAME,
        Column::text("Status"),
        Column::text("Volume"),
        Column::text("Capacity"),
        Column::text("Access Modes"),
        Column::text("StorageClass"),
        Column::text("VolumeAttributesClass"),
        Column::AGE,
        Column::text("VolumeMode").wide(),
    ],
    row,
    strategy: &Claim,
    ..Kind::PLAIN
};

struct Claim;

impl Strategy for Claim {
    fn default(&self, object: &mut Value) {
        defaults(object);
    }
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({"phase": "Pending"}));
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        validate_spec(&mut errors, &object["spec"], "spec");
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, context: &Context<'_>) -> Vec<FieldError> {
        if context.subresource.is_empty() { change(object, old) } else { Errors::new() }
    }
}

/// Defaults of a claim, alone or as a template of claims.
pub(crate) fn defaults(claim: &mut Value) {
    set_default(claim, "status", json!({}));
    if let Some(status) = claim.get_mut("status") {
        set_default(status, "phase", "Pending");
    }
    let Some(spec) = claim.get_mut("spec") else { return };
    set_default(spec, "volumeMode", "Filesystem");
    // The old name of the same field, for the kinds of sources that it can name.
    if is_unset(&spec["dataSourceRef"]) && !is_unset(&spec["dataSource"]) {
        let source = spec["dataSource"].clone();
        set(spec, "dataSourceRef", source);
    }
    for list in ["resources.requests", "resources.limits"] {
        at_mut(spec, list).into_iter().for_each(resources::canonical_list);
    }
}

/// Rules for the spec of a claim at `path`.
pub(crate) fn validate_spec(errors: &mut Errors, spec: &Value, path: &str) {
    storagewords::modes(errors, spec, path, "at least 1 access mode is required");
    rules::label_selector(errors, &spec["selector"], &child(path, "selector"));
    let storage = at(spec, "resources.requests.storage");
    let at_storage = child(path, "resources[storage]");
    match resources::quantity(storage) {
        None if is_unset(storage) => errors.push(FieldError::required(&at_storage, "")),
        Some(quantity) if quantity.is_zero() || quantity.is_negative() => {
            errors.push(FieldError::invalid(&at_storage, storage, "must be greater than zero"));
        }
        _ => {}
    }
    for field in ["storageClassName", "volumeAttributesClassName"] {
        let name = text(&spec[field]);
        if !name.is_empty() {
            rules::form(errors, names::dns_subdomain(name), &child(path, field), name);
        }
    }
    for field in ["dataSource", "dataSourceRef"].into_iter().filter(|f| !spec[*f].is_null()) {
        data_source(errors, &spec[field], &child(path, field));
    }
    let (old, new) = (&spec["dataSource"], &spec["dataSourceRef"]);
    let differs = ["apiGroup", "kind", "name"].iter().any(|field| old[*field] != new[*field]);
    let why = match (old.is_null() || new.is_null(), is_unset(&new["namespace"])) {
        (true, _) => return,
        (_, false) => "may not be specified when dataSourceRef.namespace is specified",
        _ if differs => "must match dataSourceRef",
        _ => return,
    };
    errors.push(FieldError::invalid(path, &json!(child(path, "dataSource")), why));
}

/// What a new volume is filled from.
fn data_source(errors: &mut Errors, source: &Value, path: &str) {
    for field in ["name", "kind"] {
        rules::required(errors, &source[field], &child(path, field), "");
    }
    let group = text(&source["apiGroup"]);
    if !group.is_empty() {
        rules::form(errors, names::dns_subdomain(group), &child(path, "apiGroup"), group);
    } else if source["kind"] != "PersistentVolumeClaim" {
        let why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        errors.push(FieldError::invalid(path, &json!(text(&source["kind"])), why));
    }
}

/// Only a bound claim may ask for more; which volume it has is settled once.
fn change(object: &Value, old: &Value) -> Errors {
    const WHY: &str =
        "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
    let mut errors = Errors::new();
    let bound = at(old, "status.phase") == "Bound";
    let rest = |claim: &Value| {
        let mut spec = claim["spec"].clone();
        if is_unset(&old["spec"]["volumeName"]) {
            remove(&mut spec, "volumeName");
        }
        if is_unset(&old["spec"]["storageClassName"]) {
            remove(&mut spec, "storageClassName");
        }
        if bound {
            remove(&mut spec, "volumeAttributesClassName");
            at_mut(&mut spec, "resources.requests").into_iter().for_each(|requests| remove(requests, "storage"));
        }
        spec
    };
    let [new, before] = [rest(object), rest(old)];
    if new != before {
        errors.push(FieldError::forbidden("spec", &diff::explained(WHY, &before, &new, "spec")));
    }
    let [new, before] = [object, old].map(|c| resources::quantity(at(c, "spec.resources.requests.storage")));
    let has = resources::quantity(at(old, "status.capacity.storage"));
    if new < before && new <= has {
        let path = "spec.resources.requests.storage";
        errors.push(FieldError::forbidden(path, "field can not be less than status.capacity"));
    }
    // Kubernetes names this field alone.
    rules::immutable(&mut errors, &object["spec"]["volumeMode"], &old["spec"]["volumeMode"], "volumeMode");
    let [class, before] = [object, old].map(|c| &c["spec"]["volumeAttributesClassName"]);
    let why = match class.as_str() {
        _ if before.is_null() => return errors,
        None => "update from non-nil value to nil is forbidden",
        Some("") => "update from non-nil value to an empty string is forbidden",
        Some(_) => return errors,
    };
    errors.push(FieldError::forbidden("spec.volumeAttributesClassName", why));
    errors
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let volume = text(&spec["volumeName"]);
    let (capacity, modes) = if volume.is_empty() {
        (String::new(), String::new())
    } else {
        (text(at(status, "capacity.storage")).to_owned(), storagewords::short(&status["accessModes"]))
    };
    vec![
        cells::name(object),
        json!(storagewords::phase(object)),
        json!(volume),
        json!(capacity),
        json!(modes),
        json!(text(&spec["storageClassName"])),
        json!(storagewords::or_unset(&spec["volumeAttributesClassName"])),
        cells::age(object, now),
        json!(storagewords::or_unset(&spec["volumeMode"])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{changes, defaulted, errors, shown};

    fn claim(storage: &str) -> Value {
        json!({"metadata": {"name": "c"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
            "resources": {"requests": {"storage": storage}}}})
    }

    #[test]
    fn messages() {
        assert_eq!(errors(&KIND, &claim("1Gi")), [""; 0]);
        assert_eq!(
            errors(&KIND, &json!({"spec": {}})),
            [
                "spec.accessModes: Required value: at least 1 access mode is required",
                "spec.resources[storage]: Required value",
            ]
        );
        let mut odd = claim("0");
        odd["spec"]["accessModes"] = json!(["ReadWriteOncePod", "Never", "ReadOnlyMany"]);
        odd["spec"]["volumeMode"] = json!("Tape");
        assert_eq!(
            errors(&KIND, &odd),
            [
                r#"spec.accessModes: Unsupported value: "Never": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod""#,
                "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes",
                r#"spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem""#,
                r#"spec.resources[storage]: Invalid value: "0": must be greater than zero"#,
            ]
        );
    }

    #[test]
    fn only_bound_claims_grow() {
        let pending = defaulted(&KIND, &claim("1Gi"));
        let mut bound = pending.clone();
        bound["spec"]["volumeName"] = json!("v");
        assert_eq!(changes(&KIND, &bound, &pending), [""; 0]);
        bound["status"] = json!({"phase": "Bound", "capacity": {"storage": "1Gi"}});
        let mut larger = bound.clone();
        larger["spec"]["resources"]["requests"]["storage"] = json!("2Gi");
        assert_eq!(changes(&KIND, &larger, &bound), [""; 0]);
        assert!(changes(&KIND, &larger, &pending)[0].starts_with("spec: Forbidden: spec is immutable after creation"));
        let mut smaller = bound.clone();
        smaller["spec"]["resources"]["requests"]["storage"] = json!("1Mi");
        let why = "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity";
        assert_eq!(changes(&KIND, &smaller, &bound), [why]);
    }

    #[test]
    fn cells() {
        let mut bound = defaulted(&KIND, &claim("1Gi"));
        assert_eq!(shown(&KIND, &bound)[1..4], ["Pending", "", ""]);
        bound["spec"]["volumeName"] = json!("v");
        bound["status"] = json!({"phase": "Bound", "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadOnlyMany", "ReadWriteOnce"]});
        let cells = ["c", "Bound", "v", "1Gi", "RWO,ROX", "fast", "<unset>", "<unknown>", "Filesystem"];
        assert_eq!(shown(&KIND, &bound), cells);
    }
}
