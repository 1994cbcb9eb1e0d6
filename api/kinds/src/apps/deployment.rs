//! Deployment: rolls pods of a template from one version to the next.

use crate::{
    Column, Context, Kind, Strategy, Subresource,
    apps::workload,
    cells,
    cells::number,
    json::{at_mut, int, set_default, text},
    kind::ALL_VERBS,
    rules::{self, Errors, child},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// Old ReplicaSets kept for a rollback.
const REVISION_HISTORY: i64 = 10;
/// Seconds without progress after which a rollout counts as failed.
const PROGRESS_DEADLINE_SECONDS: i64 = 600;
/// Share of the replicas that a rolling update may add, and may take away.
const ROLLING_SHARE: &str = "25%";

/// apps/v1 Deployment.
pub static KIND: Kind = Kind {
    group: "apps",
    versions: &["v1"],
    kind: "Deployment",
    list_kind: "DeploymentList",
    plural: "deployments",
    singular: "deployment",
    short_names: &["deploy"],
    categories: &["all"],
    namespaced: true,
    resource: "deployments.apps",
    schema: "io.k8s.api.apps.v1.Deployment",
    verbs: ALL_VERBS,
    subresources: &[Subresource::scale(), Subresource::part("status", "Deployment")],
    columns: &[
        Column::NAME,
        Column::text("Ready"),
        Column::integer("Up-to-date"),
        Column::integer("Available"),
        Column::AGE,
        Column::text("Containers").wide(),
        Column::text("Images").wide(),
        Column::text("Selector").wide(),
    ],
    row,
    selectable: &[],
    select: None,
    generation: true,
    graceful: None,
    sealed: false,
    live: false,
    strategy: &Deployment,
};

/// Counts of the status.
const COUNTS: &[&str] = &[
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
    "terminatingReplicas",
    "collisionCount",
];
/// Which of them are parts of others.
const PAIRS: &[workload::Pair] = &[
    ("updatedReplicas", "replicas", workload::ABOVE_ALL),
    ("readyReplicas", "replicas", workload::ABOVE_ALL),
    ("availableReplicas", "replicas", workload::ABOVE_ALL),
    ("availableReplicas", "readyReplicas", workload::ABOVE_READY),
];

struct Deployment;

impl Strategy for Deployment {
    fn default(&self, object: &mut Value) {
        workload::defaults(object);
        let Some(spec) = object.get_mut("spec") else { return };
        set_default(spec, "revisionHistoryLimit", REVISION_HISTORY);
        set_default(spec, "progressDeadlineSeconds", PROGRESS_DEADLINE_SECONDS);
        set_default(spec, "strategy", json!({}));
        let Some(strategy) = at_mut(spec, "strategy") else { return };
        set_default(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate" {
            set_default(strategy, "rollingUpdate", json!({}));
            for field in ["maxSurge", "maxUnavailable"] {
                if let Some(rolling) = at_mut(strategy, "rollingUpdate") {
                    set_default(rolling, field, ROLLING_SHARE);
                }
            }
        }
    }

    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        workload::fresh_status(object, json!({}));
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = workload::validate(object, "deployment", "ReplicaSet");
        let spec = &object["spec"];
        rules::at_least(&mut errors, &spec["revisionHistoryLimit"], "spec.revisionHistoryLimit", 0);
        strategy(&mut errors, &spec["strategy"]);
        let deadline = &spec["progressDeadlineSeconds"];
        rules::at_least(&mut errors, deadline, "spec.progressDeadlineSeconds", 0);
        if deadline.as_i64().is_some_and(|d| d <= int(&spec["minReadySeconds"])) {
            let why = "must be greater than minReadySeconds";
            errors.push(FieldError::invalid("spec.progressDeadlineSeconds", deadline, why));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, context: &Context<'_>) -> Vec<FieldError> {
        match context.subresource {
            "status" => workload::validate_status(object, old, COUNTS, PAIRS),
            _ => workload::validate_update(object, old),
        }
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        workload::warnings(object)
    }
}

/// Where the bounds of a rolling update stand.
const ROLLING: &str = "spec.strategy.rollingUpdate";

fn strategy(errors: &mut Errors, strategy: &Value) {
    rules::required_one_of(errors, &strategy["type"], "spec.strategy.type", &["Recreate", "RollingUpdate"]);
    let rolling = &strategy["rollingUpdate"];
    match text(&strategy["type"]) {
        "Recreate" if !rolling.is_null() => {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            errors.push(FieldError::forbidden(ROLLING, why));
        }
        "RollingUpdate" if rolling.is_null() => {
            let why = "this should be defaulted and never be nil";
            errors.push(FieldError::required(ROLLING, why));
        }
        "RollingUpdate" => {
            let [surge, unavailable] = ["maxSurge", "maxUnavailable"]
                .map(|f| rules::count_or_percent(errors, &rolling[f], &child(ROLLING, f)));
            if surge == Some(0) && unavailable == Some(0) {
                let why = "may not be 0 when `maxSurge` is 0";
                let path = child(ROLLING, "maxUnavailable");
                errors.push(FieldError::invalid(path, &rolling["maxUnavailable"], why));
            }
            rules::at_most_all(errors, &rolling["maxUnavailable"], &child(ROLLING, "maxUnavailable"));
        }
        _ => {}
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let ready = format!("{}/{}", number(object, "status.readyReplicas"), number(object, "spec.replicas"));
    let mut cells = vec![
        cells::name(object),
        json!(ready),
        number(object, "status.updatedReplicas"),
        number(object, "status.availableReplicas"),
        cells::age(object, now),
    ];
    cells.extend(workload::wide_cells(object));
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(spec: Value) -> Value {
        let mut object = json!({"spec": {"selector": {"matchLabels": {"app": "a"}}, "template": {
            "metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}}});
        for (name, value) in spec.as_object().unwrap() {
            object["spec"][name] = value.clone();
        }
        Deployment.default(&mut object);
        object
    }

    #[test]
    fn defaults() {
        let spec = deployment(json!({}))["spec"].take();
        assert_eq!((&spec["replicas"], &spec["revisionHistoryLimit"]), (&json!(1), &json!(10)));
        assert_eq!(spec["progressDeadlineSeconds"], 600);
        let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}});
        assert_eq!(spec["strategy"], rolling);
        let pod = &spec["template"]["spec"];
        assert_eq!((&pod["restartPolicy"], &pod["schedulerName"]), (&json!("Always"), &json!("default-scheduler")));
        // What belongs to pods alone stays out of templates.
        assert!(["tolerations", "priority", "enableServiceLinks"].iter().all(|f| pod[*f].is_null()));
        assert_eq!(
            deployment(json!({"strategy": {"type": "Recreate"}}))["spec"]["strategy"],
            json!({"type": "Recreate"})
        );
        assert_eq!(deployment(json!({"replicas": 0}))["spec"]["replicas"], 0);
    }

    #[test]
    fn messages_are_those_of_kubernetes() {
        let cases: &[(Value, &[&str])] = &[
            (json!({}), &[]),
            (json!({"replicas": -1}), &["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
            (
                json!({"selector": null}),
                &[
                    "spec.selector: Required value",
                    r#"spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`"#,
                ],
            ),
            (json!({"selector": {}}), &["spec.selector: Invalid value: {}: empty selector is invalid for deployment"]),
            (
                json!({"selector": {"matchLabels": {"app": "b"}}}),
                &[
                    r#"spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`"#,
                ],
            ),
            (
                json!({"strategy": {"type": "Recreate", "rollingUpdate": {}}}),
                &["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
            ),
            (
                json!({"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}}),
                &[
                    r#"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0"#,
                ],
            ),
            (
                json!({"strategy": {"rollingUpdate": {"maxUnavailable": "101%"}}}),
                &[
                    r#"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%"#,
                ],
            ),
            (
                json!({"progressDeadlineSeconds": 5, "minReadySeconds": 5}),
                &["spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"],
            ),
            (
                json!({"template": {"metadata": {"labels": {"app": "a"}},
                    "spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}}}),
                &[r#"spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always""#],
            ),
            (
                json!({"template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "a"}]}}}),
                &["spec.template.spec.containers[0].image: Required value"],
            ),
        ];
        for (spec, expected) in cases {
            let found: Vec<String> =
                Deployment.validate(&deployment(spec.clone())).iter().map(ToString::to_string).collect();
            assert_eq!(found, *expected, "{spec}");
        }
    }

    #[test]
    fn the_selector_stays() {
        let (old, mut new) = (deployment(json!({})), deployment(json!({})));
        let context = Context { now: Timestamp::UNIX_EPOCH, user: "", subresource: "" };
        assert!(Deployment.validate_update(&new, &old, &context).is_empty());
        new["spec"]["selector"]["matchLabels"]["b"] = json!("c");
        assert_eq!(
            Deployment.validate_update(&new, &old, &context)[0].to_string(),
            r#"spec.selector: Invalid value: {"matchLabels":{"app":"a","b":"c"}}: field is immutable"#
        );
    }

    #[test]
    fn cells() {
        let mut object = deployment(json!({"replicas": 3}));
        object["status"] = json!({"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1});
        let cells = row(&object, Timestamp::UNIX_EPOCH);
        let shown = [json!("1/3"), json!(2), json!(1), json!("<unknown>"), json!("a"), json!("a:1"), json!("app=a")];
        assert_eq!(cells[1..], shown);
    }
}
