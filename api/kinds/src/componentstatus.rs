//! ComponentStatus: how the parts of the control plane are, as of now.
//!
//! The names are Kubernetes' own, since people and tools look for them; the database stands for etcd.
//! Deliberately absent: a line in [`crate::KINDS`]. It is neither stored nor watched.

use crate::{Column, Kind, cells, json::items};
use podium_types::Timestamp;
use serde_json::{Value, json};

/// v1 ComponentStatus.
pub static KIND: Kind = Kind {
    kind: "ComponentStatus",
    list_kind: "ComponentStatusList",
    plural: "componentstatuses",
    singular: "componentstatus",
    namespaced: false,
    schema: "io.k8s.api.core.v1.ComponentStatus",
    columns: &[Column::NAME, Column::text("Status"), Column::text("Message"), Column::text("Error")],
    row,
    live: true,
    ..Kind::PLAIN
};

/// Where the controllers live in the tree of actors.
const CONTROLLERS: &str = "root/controllers";
/// One of them is a component of its own.
const SCHEDULER: &str = "root/controllers/scheduler";

/// The components by name. `actors` are the statuses of Actor objects; `database` says whether it answers.
pub fn all(actors: &[Value], database: bool) -> Vec<Value> {
    let manages = |path: &str| path != SCHEDULER && path.starts_with(CONTROLLERS);
    let unreachable = (!database).then(|| "the database does not answer".to_owned());
    vec![
        component("controller-manager", complaint(actors, CONTROLLERS, manages)),
        component("etcd-0", unreachable),
        component("scheduler", complaint(actors, SCHEDULER, |path| path == SCHEDULER)),
    ]
}

/// What is wrong with the actors of a component; the one at `root` must be there.
fn complaint(actors: &[Value], root: &str, belongs: impl Fn(&str) -> bool) -> Option<String> {
    let path = |actor: &Value| actor["path"].as_str().unwrap_or_default().to_owned();
    if !actors.iter().any(|actor| path(actor) == root) {
        return Some(format!("{root} does not run"));
    }
    let ill = actors.iter().find(|actor| belongs(&path(actor)) && actor["state"] != "Running")?;
    let why = ill["lastError"].as_str().map_or_else(String::new, |error| format!(": {error}"));
    Some(format!("{} is {}{why}", path(ill), ill["state"].as_str().unwrap_or("lost")))
}

fn component(name: &str, complaint: Option<String>) -> Value {
    let condition = match complaint {
        None => json!({"type": "Healthy", "status": "True", "message": "ok"}),
        Some(error) => json!({"type": "Healthy", "status": "False", "error": error}),
    };
    json!({"metadata": {"name": name}, "conditions": [condition]})
}

fn row(object: &Value, _now: Timestamp) -> Vec<Value> {
    let healthy = items(&object["conditions"]).iter().find(|c| c["type"] == "Healthy");
    let word = match healthy.map(|c| c["status"] == "True") {
        Some(true) => "Healthy",
        Some(false) => "Unhealthy",
        None => "Unknown",
    };
    let part = |name: &str| json!(healthy.and_then(|c| c[name].as_str()).unwrap_or_default());
    vec![cells::name(object), json!(word), part("message"), part("error")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(actors: &Value, database: bool) -> Vec<Vec<Value>> {
        all(items(actors), database).iter().map(|object| row(object, Timestamp::UNIX_EPOCH)).collect()
    }

    #[test]
    fn components_are_as_well_as_their_actors() {
        let actors = |job: &str, scheduler: &str| {
            json!([{"path": "root/controllers", "state": "Running"},
                {"path": "root/controllers/job", "state": job, "lastError": "panicked"},
                {"path": "root/controllers/scheduler", "state": scheduler}])
        };
        let well = |name: &str| json!([name, "Healthy", "ok", ""]);
        let ill = |name: &str, error: &str| json!([name, "Unhealthy", "", error]);
        let down = |what: &str| format!("{what} does not run");
        for (actors, database, expected) in [
            (actors("Running", "Running"), true, [well("controller-manager"), well("etcd-0"), well("scheduler")]),
            (
                actors("Backoff", "Running"),
                false,
                [
                    ill("controller-manager", "root/controllers/job is Backoff: panicked"),
                    ill("etcd-0", "the database does not answer"),
                    well("scheduler"),
                ],
            ),
            (
                actors("Running", "Starting"),
                true,
                [
                    well("controller-manager"),
                    well("etcd-0"),
                    ill("scheduler", "root/controllers/scheduler is Starting"),
                ],
            ),
            (
                json!([]),
                true,
                [ill("controller-manager", &down(CONTROLLERS)), well("etcd-0"), ill("scheduler", &down(SCHEDULER))],
            ),
        ] {
            assert_eq!(json!(rows(&actors, database)), json!(expected));
        }
        assert_eq!(row(&json!({"metadata": {"name": "a"}}), Timestamp::UNIX_EPOCH)[1], "Unknown");
    }
}
