//! StatefulSet: pods with names and volumes of their own, one after the other.

use super::workload;
use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    cells::number,
    json::{at, at_mut, is_unset, items, items_mut, remove, set, set_default, text},
    names, persistentvolumeclaim as claim,
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};
use std::borrow::Cow;

/// Old revisions kept for a rollback.
const REVISION_HISTORY: i64 = 10;
/// What an update may change.
const MUTABLE: &[&str] = &[
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];
const RETENTION: &str = "spec.persistentVolumeClaimRetentionPolicy";
const ROLLING: &str = "spec.updateStrategy.rollingUpdate";

/// apps/v1 StatefulSet.
pub static KIND: Kind = Kind {
    group: "apps",
    kind: "StatefulSet",
    list_kind: "StatefulSetList",
    plural: "statefulsets",
    singular: "statefulset",
    short_names: &["sts"],
    categories: &["all"],
    resource: "statefulsets.apps",
    schema: "io.k8s.api.apps.v1.StatefulSet",
    subresources: &[Subresource::scale(), Subresource::part("status", "StatefulSet")],
    columns: &[
        Column::NAME,
        Column::text("Ready"),
        Column::AGE,
        Column::text("Containers").wide(),
        Column::text("Images").wide(),
    ],
    row,
    generation: true,
    strategy: &StatefulSet,
    ..Kind::PLAIN
};

/// Counts of the status.
const COUNTS: &[&str] =
    &["replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas", "collisionCount"];
/// Which of them are parts of others.
const PAIRS: &[workload::Pair] = &[
    ("readyReplicas", "replicas", workload::ABOVE_ALL),
    ("currentReplicas", "replicas", workload::ABOVE_ALL),
    ("updatedReplicas", "replicas", workload::ABOVE_ALL),
    ("availableReplicas", "replicas", workload::ABOVE_ALL),
    ("availableReplicas", "readyReplicas", "cannot be greater than status.readyReplicas"),
];

struct StatefulSet;

impl Strategy for StatefulSet {
    fn default(&self, object: &mut Value) {
        workload::defaults(object);
        let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
        set_default(spec, "podManagementPolicy", "OrderedReady");
        set_default(spec, "revisionHistoryLimit", REVISION_HISTORY);
        set_default(spec, "updateStrategy", json!({}));
        let strategy = &mut spec["updateStrategy"];
        set_default(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate" {
            set_default(strategy, "rollingUpdate", json!({}));
            if let Some(rolling) = strategy.get_mut("rollingUpdate") {
                set_default(rolling, "partition", 0);
            }
        }
        set_default(spec, "persistentVolumeClaimRetentionPolicy", json!({}));
        for field in ["whenDeleted", "whenScaled"] {
            set_default(&mut spec["persistentVolumeClaimRetentionPolicy"], field, "Retain");
        }
        for claim in items_mut(spec, "volumeClaimTemplates") {
            set_default(claim, "apiVersion", "v1");
            set_default(claim, "kind", "PersistentVolumeClaim");
            claim::defaults(claim);
        }
    }

    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({"replicas": 0, "availableReplicas": 0}));
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = workload::validate(&with_claims(object), "statefulset", "StatefulSet");
        let spec = &object["spec"];
        policies(&mut errors, spec);
        strategy(&mut errors, &spec["updateStrategy"]);
        rules::at_least(&mut errors, &spec["revisionHistoryLimit"], "spec.revisionHistoryLimit", 0);
        rules::at_least(&mut errors, at(spec, "ordinals.start"), "spec.ordinals.start", 0);
        let service = text(&spec["serviceName"]);
        if !service.is_empty() {
            rules::form(&mut errors, names::dns_label(service), "spec.serviceName", service);
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, context: &Context<'_>) -> Vec<FieldError> {
        if context.subresource == "status" {
            return workload::validate_status(object, old, COUNTS, PAIRS);
        }
        let mut errors = Errors::new();
        if context.subresource.is_empty() && frozen(&object["spec"]) != frozen(&old["spec"]) {
            let fields: Vec<String> = MUTABLE.iter().map(|field| format!("'{field}'")).collect();
            let (last, first) =
                fields.split_last().map_or((String::new(), String::new()), |(l, f)| (l.clone(), f.join(", ")));
            let why = format!("updates to statefulset spec for fields other than {first} and {last} are forbidden");
            errors.push(FieldError::forbidden("spec", &why));
        }
        errors
    }

    fn validate_name(&self, name: &str) -> Result<(), String> {
        // Its pods' host names begin with it.
        names::dns_label(name)
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        workload::warnings(object)
    }
}

/// The StatefulSet with the volumes that its pods will have: those of the template, and one for each claim.
fn with_claims(object: &Value) -> Cow<'_, Value> {
    let claims = items(at(object, "spec.volumeClaimTemplates"));
    if claims.is_empty() {
        return Cow::Borrowed(object);
    }
    let mut object = object.clone();
    if let Some(pod) = at_mut(&mut object, "spec.template.spec") {
        let mut volumes = items(&pod["volumes"]).to_vec();
        let names: Vec<Value> = claims.iter().map(|claim| at(claim, "metadata.name").clone()).collect();
        // A claim takes the place of a volume of the same name.
        volumes.retain(|volume| !names.contains(&volume["name"]));
        volumes.extend(names.iter().map(|name| json!({"name": name, "persistentVolumeClaim": {"claimName": name}})));
        set(pod, "volumes", volumes);
    }
    Cow::Owned(object)
}

/// The spec without what may change.
fn frozen(spec: &Value) -> Value {
    let mut spec = spec.clone();
    MUTABLE.iter().for_each(|field| remove(&mut spec, field));
    spec
}

fn policies(errors: &mut Errors, spec: &Value) {
    match text(&spec["podManagementPolicy"]) {
        "" => errors.push(FieldError::required("spec.podManagementPolicy", "")),
        "OrderedReady" | "Parallel" => {}
        _ => {
            let why = "must be 'OrderedReady' or 'Parallel'";
            errors.push(FieldError::invalid("spec.podManagementPolicy", &spec["podManagementPolicy"], why));
        }
    }
    let retention = &spec["persistentVolumeClaimRetentionPolicy"];
    for field in ["whenDeleted", "whenScaled"] {
        let value = if is_unset(&retention[field]) { &json!("") } else { &retention[field] };
        if !matches!(text(value), "Retain" | "Delete") {
            errors.push(FieldError::not_supported(format!("{RETENTION}.{field}"), value, &["Delete", "Retain"]));
        }
    }
}

fn strategy(errors: &mut Errors, strategy: &Value) {
    let rolling = &strategy["rollingUpdate"];
    match text(&strategy["type"]) {
        "" => errors.push(FieldError::required("spec.updateStrategy", "")),
        "OnDelete" if !rolling.is_null() => {
            errors.push(FieldError::invalid(ROLLING, rolling, "only allowed for updateStrategy 'RollingUpdate'"));
        }
        "OnDelete" => {}
        "RollingUpdate" => {
            rules::at_least(errors, &rolling["partition"], &format!("{ROLLING}.partition"), 0);
            let (most, path) = (&rolling["maxUnavailable"], format!("{ROLLING}.maxUnavailable"));
            if !most.is_null() && rules::count_or_percent(errors, most, &path) == Some(0) {
                errors.push(FieldError::invalid(&path, most, "cannot be 0"));
            }
            rules::at_most_all(errors, most, &path);
        }
        _ => {
            let why = "must be 'RollingUpdate' or 'OnDelete'";
            errors.push(FieldError::invalid("spec.updateStrategy", strategy, why));
        }
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let ready = format!("{}/{}", number(object, "status.readyReplicas"), number(object, "spec.replicas"));
    let [names, images, _] = workload::wide_cells(object);
    vec![cells::name(object), json!(ready), cells::age(object, now), names, images]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{changes, defaulted, errors, shown};

    fn set(spec: Value) -> Value {
        let mut object = json!({"metadata": {"name": "web"}, "spec": {"serviceName": "web",
            "selector": {"matchLabels": {"app": "a"}}, "template": {"metadata": {"labels": {"app": "a"}},
            "spec": {"containers": [{"name": "a", "image": "a:1"}]}}}});
        for (name, value) in spec.as_object().unwrap() {
            object["spec"][name] = value.clone();
        }
        object
    }

    #[test]
    fn defaults() {
        let claims = json!([{"metadata": {"name": "data"}, "spec": {}}]);
        let spec = defaulted(&KIND, &set(json!({"volumeClaimTemplates": claims})))["spec"].take();
        assert_eq!(spec["updateStrategy"], json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}));
        assert_eq!((&spec["replicas"], &spec["podManagementPolicy"]), (&json!(1), &json!("OrderedReady")));
        let retain = json!({"whenDeleted": "Retain", "whenScaled": "Retain"});
        assert_eq!(spec["persistentVolumeClaimRetentionPolicy"], retain);
        let claim = &spec["volumeClaimTemplates"][0];
        assert_eq!(
            (&claim["kind"], &claim["spec"]["volumeMode"]),
            (&json!("PersistentVolumeClaim"), &json!("Filesystem"))
        );
    }

    fn mounting(volume: &str) -> Value {
        let mounts = json!([{"name": volume, "mountPath": "/data"}]);
        json!({"metadata": {"labels": {"app": "a"}},
            "spec": {"containers": [{"name": "a", "image": "a:1", "volumeMounts": mounts}]}})
    }

    #[test]
    fn messages() {
        let cases: &[(Value, &[&str])] = &[
            (json!({}), &[]),
            (json!({"template": mounting("data"), "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}), &[]),
            (
                json!({"template": mounting("other"), "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}),
                &[r#"spec.template.spec.containers[0].volumeMounts[0].name: Not found: "other""#],
            ),
            (
                json!({"podManagementPolicy": "Odd"}),
                &[r#"spec.podManagementPolicy: Invalid value: "Odd": must be 'OrderedReady' or 'Parallel'"#],
            ),
            (
                json!({"updateStrategy": {"type": "OnDelete", "rollingUpdate": {}}}),
                &[
                    "spec.updateStrategy.rollingUpdate: Invalid value: {}: only allowed for updateStrategy 'RollingUpdate'",
                ],
            ),
            (
                json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": -1, "maxUnavailable": 0}}}),
                &[
                    "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0",
                    "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0",
                ],
            ),
            (json!({"selector": {}}), &["spec.selector: Invalid value: {}: empty selector is invalid for statefulset"]),
            (
                json!({"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Lose"}}),
                &[
                    r#"spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Lose": supported values: "Delete", "Retain""#,
                ],
            ),
        ];
        for (spec, expected) in cases {
            assert_eq!(errors(&KIND, &set(spec.clone())), *expected, "{spec}");
        }
    }

    #[test]
    fn only_some_fields_change() {
        let old = set(json!({}));
        assert_eq!(changes(&KIND, &set(json!({"replicas": 5, "minReadySeconds": 3})), &old), [""; 0]);
        assert_eq!(
            changes(&KIND, &set(json!({"serviceName": "other"})), &old),
            ["spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
              'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"]
        );
    }

    #[test]
    fn cells() {
        let mut object = set(json!({"replicas": 3}));
        object["status"] = json!({"readyReplicas": 2});
        assert_eq!(shown(&KIND, &object), ["web", "2/3", "<unknown>", "a", "a:1"]);
    }
}
