//! PersistentVolume: storage that is there for a claim to be bound to.

use crate::{
    Column, Context, Kind, Strategy, Subresource, cells, diff,
    json::{at, at_mut, is_unset, members, set, set_default, text},
    names, pod, resources,
    rules::{self, Errors},
    storagewords,
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// core/v1 PersistentVolume.
pub static KIND: Kind = Kind {
    kind: "PersistentVolume",
    list_kind: "PersistentVolumeList",
    plural: "persistentvolumes",
    singular: "persistentvolume",
    short_names: &["pv"],
    namespaced: false,
    resource: "persistentvolumes",
    schema: "io.k8s.api.core.v1.PersistentVolume",
    subresources: &[Subresource::part("status", "PersistentVolume")],
    columns: &[
        Column::NAME,
        Column::text("Capacity"),
        Column::text("Access Modes"),
        Column::text("Reclaim Policy"),
        Column::text("Status"),
        Column::text("Claim"),
        Column::text("StorageClass"),
        Column::text("VolumeAttributesClass"),
        Column::text("Reason"),
        Column::AGE,
        Column::text("VolumeMode").wide(),
    ],
    row,
    strategy: &Volume,
    ..Kind::PLAIN
};

/// The fields of a spec that are no source.
const COMMON: &[&str] = &[
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

struct Volume;

impl Strategy for Volume {
    fn default(&self, object: &mut Value) {
        let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
        set_default(spec, "persistentVolumeReclaimPolicy", "Retain");
        set_default(spec, "volumeMode", "Filesystem");
        at_mut(spec, "capacity").into_iter().for_each(resources::canonical_list);
        if let Some(path) = spec.get_mut("hostPath").filter(|p| p["type"].is_null()) {
            set(path, "type", "");
        }
    }
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({"phase": "Pending"}));
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        storagewords::modes(&mut errors, spec, "spec", "");
        capacity(&mut errors, &spec["capacity"]);
        match sources(spec).count() {
            0 => errors.push(FieldError::required("spec", "must specify a volume type")),
            _ => {
                for (kind, _) in sources(spec).skip(1) {
                    let why = "may not specify more than 1 volume type";
                    errors.push(FieldError::forbidden(format!("spec.{kind}"), why));
                }
            }
        }
        let policies = &["Delete", "Recycle", "Retain"];
        let path = "spec.persistentVolumeReclaimPolicy";
        rules::one_of(&mut errors, &spec["persistentVolumeReclaimPolicy"], path, policies);
        let class = text(&spec["storageClassName"]);
        if !class.is_empty() {
            rules::form(&mut errors, names::dns_subdomain(class), "spec.storageClassName", class);
        }
        let nodes = &spec["nodeAffinity"];
        if !nodes.is_null() && nodes["required"].is_null() {
            let why = "must specify required node constraints";
            errors.push(FieldError::required("spec.nodeAffinity.required", why));
        } else if !nodes.is_null() {
            pod::node_selector(&mut errors, &nodes["required"], "spec.nodeAffinity.required");
        }
        if text(at(spec, "hostPath.path")) == "/" && spec["persistentVolumeReclaimPolicy"] == "Recycle" {
            let why = "may not be 'recycle' for a hostPath mount of '/'";
            errors.push(FieldError::forbidden("spec.persistentVolumeReclaimPolicy", why));
        }
        if spec.get("local").is_some() && is_unset(&spec["nodeAffinity"]) {
            errors.push(FieldError::required("spec.nodeAffinity", "Local volume requires node affinity"));
        }
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let (new, before) = (&object["spec"], &old["spec"]);
        if !sources(new).eq(sources(before)) {
            let (path, why) =
                ("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation");
            let [new, old] = [new, before].map(|s| sources(s).map(|(k, v)| (k.clone(), v.clone())).collect());
            errors.push(FieldError::forbidden(path, &diff::explained(why, &old, &new, "spec")));
        }
        // Kubernetes names these fields alone.
        rules::fixed(&mut errors, new, before, "", &["volumeMode"]);
        let (nodes, old_nodes) = (&new["nodeAffinity"], &before["nodeAffinity"]);
        if !is_unset(old_nodes) && nodes != old_nodes {
            let why = format!("{}, except for updating from beta label to GA", rules::IMMUTABLE);
            errors.push(FieldError::invalid("nodeAffinity", nodes, &why));
        }
        errors
    }
}

fn sources(spec: &Value) -> impl Iterator<Item = (&String, &Value)> {
    members(spec).filter(|(name, value)| !COMMON.contains(&name.as_str()) && !value.is_null())
}

fn capacity(errors: &mut Errors, capacity: &Value) {
    rules::required(errors, capacity, "spec.capacity", "");
    if capacity["storage"].is_null() || members(capacity).any(|(name, _)| name != "storage") {
        let shown = if capacity.is_null() { &json!({}) } else { capacity };
        errors.push(FieldError::not_supported("spec.capacity", shown, &["storage"]));
    }
    let storage = &capacity["storage"];
    if resources::quantity(storage).is_some_and(|q| q.is_zero() || q.is_negative()) {
        errors.push(FieldError::invalid("spec.capacity[storage]", storage, "must be greater than zero"));
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, claim) = (&object["spec"], at(object, "spec.claimRef"));
    let claim = match text(&claim["name"]) {
        "" => String::new(),
        name => format!("{}/{name}", text(&claim["namespace"])),
    };
    vec![
        cells::name(object),
        json!(text(at(spec, "capacity.storage"))),
        json!(storagewords::short(&spec["accessModes"])),
        json!(text(&spec["persistentVolumeReclaimPolicy"])),
        json!(storagewords::phase(object)),
        json!(claim),
        json!(text(&spec["storageClassName"])),
        json!(storagewords::or_unset(&spec["volumeAttributesClassName"])),
        json!(text(at(object, "status.reason"))),
        cells::age(object, now),
        json!(storagewords::or_unset(&spec["volumeMode"])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{changes, defaulted, errors, shown};

    fn volume() -> Value {
        json!({"metadata": {"name": "v"}, "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/data"}, "claimRef": {"namespace": "n", "name": "c"}}})
    }

    #[test]
    fn messages() {
        assert_eq!(errors(&KIND, &volume()), [""; 0]);
        assert_eq!(
            errors(&KIND, &json!({"spec": {}})),
            [
                "spec.accessModes: Required value",
                "spec.capacity: Required value",
                r#"spec.capacity: Unsupported value: {}: supported values: "storage""#,
                "spec: Required value: must specify a volume type",
            ]
        );
        let mut odd = volume();
        odd["spec"]["local"] = json!({"path": "/x"});
        assert_eq!(
            errors(&KIND, &odd),
            [
                "spec.local: Forbidden: may not specify more than 1 volume type",
                "spec.nodeAffinity: Required value: Local volume requires node affinity",
            ]
        );
    }

    #[test]
    fn the_source_stays() {
        let old = defaulted(&KIND, &volume());
        let mut new = old.clone();
        new["spec"]["persistentVolumeReclaimPolicy"] = json!("Delete");
        assert_eq!(changes(&KIND, &new, &old), [""; 0]);
        new["spec"]["hostPath"]["path"] = json!("/other");
        let why = "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation";
        let lines =
            format!("\n- spec.hostPath.path: {}\n+ spec.hostPath.path: \"/other\"", old["spec"]["hostPath"]["path"]);
        assert_eq!(changes(&KIND, &new, &old), [format!("{why}{lines}")]);
    }

    #[test]
    fn cells() {
        let cells = ["v", "1Gi", "RWO", "Retain", "", "n/c", "", "<unset>", "", "<unknown>", "Filesystem"];
        assert_eq!(shown(&KIND, &defaulted(&KIND, &volume())), cells);
    }
}
