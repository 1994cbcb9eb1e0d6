//! Usage as objects of `metrics.k8s.io`.

use super::{Amount, NodeUse, PodUse, Span};
use podium_types::{Key, Timestamp};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const VERSION: &str = "metrics.k8s.io/v1beta1";
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// A NodeMetrics, with the node's labels.
pub fn node(name: &str, labels: &BTreeMap<String, String>, of: &NodeUse, now: Timestamp) -> Value {
    let mut object = head("NodeMetrics", &Key::new("", name), labels, of.span, now);
    object["usage"] = usage(of.amount);
    object
}

/// A PodMetrics, with the pod's labels.
pub fn pod(key: &Key, labels: &BTreeMap<String, String>, of: &PodUse, now: Timestamp) -> Value {
    let mut object = head("PodMetrics", key, labels, of.span, now);
    let containers = of.containers.iter().map(|(name, amount)| json!({"name": name, "usage": usage(*amount)}));
    object["containers"] = containers.collect();
    object
}

fn head(kind: &str, key: &Key, labels: &BTreeMap<String, String>, span: Span, now: Timestamp) -> Value {
    let mut metadata = json!({"name": key.name, "creationTimestamp": seconds(now)});
    if !key.namespace.is_empty() {
        metadata["namespace"] = json!(key.namespace);
    }
    if !labels.is_empty() {
        metadata["labels"] = json!(labels);
    }
    json!({"kind": kind, "apiVersion": VERSION, "metadata": metadata, "timestamp": seconds(span.at),
        "window": duration(span.window)})
}

fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn usage(amount: Amount) -> Value {
    json!({"cpu": scaled(amount.nano_cores, 1000, &["n", "u", "m", ""]),
        "memory": scaled(amount.bytes, 1024, &["", "Ki", "Mi", "Gi", "Ti"])})
}

/// The shortest exact form of a quantity.
fn scaled(mut number: u64, step: u64, suffixes: &[&str]) -> String {
    let mut suffix = 0;
    while number != 0 && number.is_multiple_of(step) && suffix + 1 < suffixes.len() {
        number /= step;
        suffix += 1;
    }
    match number {
        0 => "0".to_owned(),
        number => format!("{number}{}", suffixes.get(suffix).unwrap_or(&"")),
    }
}

/// As Go writes durations, to the millisecond: `15.04s`, `1m0s`.
fn duration(of: Duration) -> String {
    let (whole, millis) = (of.as_secs(), of.subsec_millis());
    let (hours, minutes, seconds) = (whole / HOUR, whole % HOUR / MINUTE, whole % MINUTE);
    let fraction = format!(".{millis:03}");
    let seconds = format!("{seconds}{}s", fraction.trim_end_matches('0').trim_end_matches('.'));
    match (hours, minutes) {
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m{seconds}"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_and_durations_are_as_kubernetes_writes_them() {
        for (nanos, bytes, cpu, memory) in [
            (123_456_789, 19_554_304, "123456789n", "19096Ki"),
            (5_000_000, 1 << 30, "5m", "1Gi"),
            (2_000_000_000, 1023, "2", "1023"),
            (0, 0, "0", "0"),
        ] {
            assert_eq!(usage(Amount { nano_cores: nanos, bytes }), json!({"cpu": cpu, "memory": memory}));
        }
        for (millis, text) in
            [(15_040, "15.04s"), (15_000, "15s"), (60_000, "1m0s"), (3_661_500, "1h1m1.5s"), (7, "0.007s")]
        {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn objects_carry_labels_time_and_window() {
        let now: Timestamp = "2026-01-01T00:00:20.5Z".parse().expect("a time");
        let span = Span { at: "2026-01-01T00:00:15Z".parse().expect("a time"), window: Duration::from_millis(15_040) };
        let of = PodUse { span, containers: [("c".to_owned(), Amount { nano_cores: 10, bytes: 2048 })].into() };
        let labels = [("app".to_owned(), "web".to_owned())].into();
        let expected = json!({"kind": "PodMetrics", "apiVersion": VERSION,
            "metadata": {"name": "p", "namespace": "ns", "labels": {"app": "web"}, "creationTimestamp": "2026-01-01T00:00:20Z"},
            "timestamp": "2026-01-01T00:00:15Z", "window": "15.04s",
            "containers": [{"name": "c", "usage": {"cpu": "10n", "memory": "2Ki"}}]});
        assert_eq!(pod(&Key::new("ns", "p"), &labels, &of, now), expected);
    }
}
