//! DaemonSet: a pod on every node that fits.

use super::workload;
use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    cells::number,
    json::{at, set, set_default, text},
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// Old revisions kept for a rollback.
const REVISION_HISTORY: i64 = 10;
const ROLLING: &str = "spec.updateStrategy.rollingUpdate";

/// apps/v1 DaemonSet.
pub static KIND: Kind = Kind {
    group: "apps",
    kind: "DaemonSet",
    list_kind: "DaemonSetList",
    plural: "daemonsets",
    singular: "daemonset",
    short_names: &["ds"],
    categories: &["all"],
    resource: "daemonsets.apps",
    schema: "io.k8s.api.apps.v1.DaemonSet",
    subresources: &[Subresource::part("status", "DaemonSet")],
    columns: &[
        Column::NAME,
        Column::integer("Desired"),
        Column::integer("Current"),
        Column::integer("Ready"),
        Column::integer("Up-to-date"),
        Column::integer("Available"),
        Column::text("Node Selector"),
        Column::AGE,
        Column::text("Containers").wide(),
        Column::text("Images").wide(),
        Column::text("Selector").wide(),
    ],
    row,
    generation: true,
    strategy: &DaemonSet,
    ..Kind::PLAIN
};

/// Counts of the status.
const COUNTS: &[&str] = &[
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
];

struct DaemonSet;

impl Strategy for DaemonSet {
    fn default(&self, object: &mut Value) {
        let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
        workload::template_defaults(spec);
        set_default(spec, "revisionHistoryLimit", REVISION_HISTORY);
        set_default(spec, "updateStrategy", json!({}));
        let strategy = &mut spec["updateStrategy"];
        set_default(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate" {
            set_default(strategy, "rollingUpdate", json!({}));
            if let Some(rolling) = strategy.get_mut("rollingUpdate") {
                set_default(rolling, "maxUnavailable", 1);
                set_default(rolling, "maxSurge", 0);
            }
        }
    }

    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        let zero = ["currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady"];
        let status: serde_json::Map<String, Value> = zero.iter().map(|f| ((*f).to_owned(), json!(0))).collect();
        set(object, "status", status);
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = workload::validate(object, "daemonset", "DaemonSet");
        let spec = &object["spec"];
        rules::at_least(&mut errors, &spec["revisionHistoryLimit"], "spec.revisionHistoryLimit", 0);
        strategy(&mut errors, &spec["updateStrategy"]);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, context: &Context<'_>) -> Vec<FieldError> {
        match context.subresource {
            "status" => workload::validate_status(object, old, COUNTS, &[]),
            _ => workload::validate_update(object, old),
        }
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        workload::warnings(object)
    }
}

fn strategy(errors: &mut Errors, strategy: &Value) {
    let kinds = &["OnDelete", "RollingUpdate"];
    rules::required_one_of(errors, &strategy["type"], "spec.updateStrategy.type", kinds);
    if text(&strategy["type"]) != "RollingUpdate" {
        return;
    }
    let rolling = &strategy["rollingUpdate"];
    let [surge, unavailable] = ["maxSurge", "maxUnavailable"].map(|field| {
        let path = format!("{ROLLING}.{field}");
        let number = rules::count_or_percent(errors, &rolling[field], &path).unwrap_or_default();
        rules::at_most_all(errors, &rolling[field], &path);
        number
    });
    match (surge, unavailable) {
        (0, 0) => {
            let path = format!("{ROLLING}.maxUnavailable");
            errors.push(FieldError::invalid(path, &rolling["maxUnavailable"], "cannot be 0 when maxSurge is 0"));
        }
        (1.., 1..) => {
            let why = "may not be set when maxUnavailable is non-zero";
            errors.push(FieldError::invalid(format!("{ROLLING}.maxSurge"), &rolling["maxSurge"], why));
        }
        _ => {}
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let mut cells = vec![
        cells::name(object),
        number(object, "status.desiredNumberScheduled"),
        number(object, "status.currentNumberScheduled"),
        number(object, "status.numberReady"),
        number(object, "status.updatedNumberScheduled"),
        number(object, "status.numberAvailable"),
        json!(cells::labels(at(object, "spec.template.spec.nodeSelector"))),
        cells::age(object, now),
    ];
    cells.extend(workload::wide_cells(object));
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{defaulted, errors, shown};

    fn set(rolling: Value) -> Value {
        json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"app": "a"}},
            "updateStrategy": {"rollingUpdate": rolling}, "template": {"metadata": {"labels": {"app": "a"}},
            "spec": {"nodeSelector": {"disk": "ssd"}, "containers": [{"name": "a", "image": "a:1"}]}}}})
    }

    #[test]
    fn messages() {
        let path = "spec.updateStrategy.rollingUpdate";
        let cases = [
            (json!(null), vec![]),
            (json!({"maxUnavailable": 0, "maxSurge": "10%"}), vec![]),
            (
                json!({"maxUnavailable": 0}),
                vec![format!("{path}.maxUnavailable: Invalid value: 0: cannot be 0 when maxSurge is 0")],
            ),
            (
                json!({"maxSurge": 1}),
                vec![format!("{path}.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero")],
            ),
        ];
        for (rolling, expected) in cases {
            assert_eq!(errors(&KIND, &set(rolling.clone())), expected, "{rolling}");
        }
        let mut object = set(json!(null));
        object["spec"]["selector"] = json!({});
        assert_eq!(
            errors(&KIND, &object),
            ["spec.selector: Invalid value: {}: empty selector is invalid for daemonset"]
        );
    }

    #[test]
    fn defaults_and_cells() {
        let mut object = defaulted(&KIND, &set(json!(null)));
        assert_eq!(object["spec"]["updateStrategy"]["rollingUpdate"], json!({"maxSurge": 0, "maxUnavailable": 1}));
        object["status"] = json!({"desiredNumberScheduled": 2, "numberReady": 1});
        let cells = ["d", "2", "0", "1", "0", "0", "disk=ssd", "<unknown>", "a", "a:1", "app=a"];
        assert_eq!(shown(&KIND, &object), cells);
    }
}
