//! Actor: one node of the supervision tree, read from the running processes.
//!
//! Deliberately absent: spec, and any write but delete, which kills the actor so that its
//! supervisor starts it again.

use crate::{
    Column, Kind, NoStrategy, cells,
    json::{at, int, text},
};
use podium_types::Timestamp;
use serde_json::{Value, json};

/// Microseconds in a millisecond, where latencies change their unit.
const MILLISECOND: i64 = 1000;

/// supervision.podium.dev/v1alpha1 Actor.
pub static KIND: Kind = Kind {
    group: "supervision.podium.dev",
    versions: &["v1alpha1"],
    kind: "Actor",
    list_kind: "ActorList",
    plural: "actors",
    singular: "actor",
    short_names: &[],
    categories: &[],
    namespaced: false,
    resource: "actors.supervision.podium.dev",
    schema: "dev.podium.supervision.v1alpha1.Actor",
    verbs: &["delete", "get", "list", "watch"],
    subresources: &[],
    columns: &[
        Column::NAME,
        Column::text("Path"),
        Column::text("State"),
        Column::integer("Restarts"),
        Column::text("Mailbox"),
        Column::text("P99"),
        Column::text("Last-Error"),
        Column::AGE,
    ],
    row,
    selectable: &[],
    select: None,
    generation: false,
    graceful: None,
    sealed: false,
    live: true,
    strategy: &NoStrategy,
};

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let status = &object["status"];
    let mailbox = format!("{}/{}", int(&status["mailboxDepth"]), int(&status["mailboxCapacity"]));
    let started = at(object, "status.startedAt");
    vec![
        cells::name(object),
        json!(text(&status["path"])),
        json!(text(&status["state"])),
        json!(int(&status["restarts"])),
        json!(mailbox),
        json!(latency(&status["latencyP99Micros"])),
        json!(text(&status["lastError"])),
        json!(cells::since(started, now)),
    ]
}

/// Microseconds as `85µs`, `1.2ms` or `340ms`; nothing where nothing was measured.
fn latency(micros: &Value) -> String {
    match micros.as_i64() {
        None => String::new(),
        Some(n) if n < MILLISECOND => format!("{n}µs"),
        Some(n) if n < 100 * MILLISECOND => format!("{}.{}ms", n / MILLISECOND, n % MILLISECOND / 100),
        Some(n) => format!("{}ms", n / MILLISECOND),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_read_well() {
        for (micros, shown) in
            [(json!(85), "85µs"), (json!(1234), "1.2ms"), (json!(340_999), "340ms"), (json!(null), "")]
        {
            assert_eq!(latency(&micros), shown);
        }
    }
}
