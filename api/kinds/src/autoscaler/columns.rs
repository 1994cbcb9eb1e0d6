//! What `kubectl get hpa` shows.

use super::metrics;
use crate::{
    cells::{self, number},
    json::{is_unset, items, plain, text},
};
use podium_types::Timestamp;
use serde_json::{Value, json};

/// Metrics shown before `+ N more...`.
const MAX_SHOWN: usize = 2;

pub(super) fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let target = &spec["scaleTargetRef"];
    let least = plain(&spec["minReplicas"]);
    vec![
        cells::name(object),
        json!(format!("{}/{}", text(&target["kind"]), text(&target["name"]))),
        json!(targets(items(&spec["metrics"]), items(&status["currentMetrics"]))),
        json!(if least.is_empty() { "<unset>".to_owned() } else { least }),
        json!(plain(&spec["maxReplicas"])),
        number(status, "currentReplicas"),
        cells::age(object, now),
    ]
}

/// `cpu: 35%/80%, 10/20 (avg)`
fn targets(wanted: &[Value], current: &[Value]) -> String {
    let list: Vec<String> =
        wanted.iter().enumerate().map(|(i, m)| target(m, current.get(i).unwrap_or(&Value::Null))).collect();
    match list.len().checked_sub(MAX_SHOWN) {
        _ if list.is_empty() => cells::NONE.to_owned(),
        Some(more) if more > 0 => {
            format!("{} + {more} more...", list.iter().take(MAX_SHOWN).cloned().collect::<Vec<_>>().join(", "))
        }
        _ => list.join(", "),
    }
}

fn target(metric: &Value, current: &Value) -> String {
    let Some(source) = metrics::source(metric) else { return "<unknown type>".to_owned() };
    let (wanted, now) = (&metric[source]["target"], &current[source]["current"]);
    let of = |field: &str, unit: &str| {
        let has = plain(&now[field]);
        let has = if has.is_empty() { "<unknown>".to_owned() } else { format!("{has}{unit}") };
        format!("{has}/{}{unit}", plain(&wanted[field]))
    };
    let average = !is_unset(&wanted["averageValue"]);
    match source {
        "resource" | "containerResource" => {
            let amount = if average { of("averageValue", "") } else { of("averageUtilization", "%") };
            format!("{}: {amount}", text(&metric[source]["name"]))
        }
        "pods" => of("averageValue", ""),
        _ if average => format!("{} (avg)", of("averageValue", "")),
        _ => of("value", ""),
    }
}
