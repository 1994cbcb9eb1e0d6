//! Event: something that happened to an object.

use crate::{
    Column, Face, Kind, Strategy, cells,
    json::{at, int, is_unset, plain, set, text},
    kind::ALL_VERBS,
    names,
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp, meta};
use serde_json::{Value, json};

/// Limit of reason, action and reportingInstance of events with an `eventTime`.
const MAX_WORD: usize = 128;
/// Limit of their message.
const MAX_MESSAGE: usize = 1024;

/// core/v1 Event.
pub static KIND: Kind = Kind {
    group: "",
    versions: &["v1"],
    kind: "Event",
    list_kind: "EventList",
    plural: "events",
    singular: "event",
    short_names: &["ev"],
    categories: &[],
    namespaced: true,
    resource: "events",
    schema: "io.k8s.api.core.v1.Event",
    verbs: ALL_VERBS,
    subresources: &[],
    columns: &[
        Column::text("Last Seen"),
        Column::text("Type"),
        Column::text("Reason"),
        Column::text("Object"),
        Column::text("Subobject").wide(),
        Column::text("Source").wide(),
        Column::text("Message"),
        Column::text("First Seen").wide(),
        Column::integer("Count").wide(),
        Column::NAME.wide(),
    ],
    row,
    selectable: &[
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ],
    select: Some(select),
    generation: false,
    graceful: None,
    sealed: false,
    live: false,
    strategy: &Event,
};

/// events.k8s.io/v1 Event.
static MODERN_KIND: Kind = Kind {
    group: "events.k8s.io",
    schema: "io.k8s.api.events.v1.Event",
    row: |object, now| row(&MODERN.store(object.clone()), now),
    selectable: &[
        "regarding.kind",
        "regarding.namespace",
        "regarding.name",
        "regarding.uid",
        "regarding.apiVersion",
        "regarding.resourceVersion",
        "regarding.fieldPath",
        "reason",
        "reportingController",
        "type",
    ],
    select: Some(select_modern),
    ..KIND
};

/// The same events, with other names for some of their fields.
pub static MODERN: Face = Face {
    shown: &MODERN_KIND,
    stored: &KIND,
    to_stored: |object| RENAMED.iter().for_each(|(old, new)| rename(object, new, old)),
    from_stored: |object| RENAMED.iter().for_each(|(old, new)| rename(object, old, new)),
};

/// Names of fields in core/v1 and in events.k8s.io/v1.
const RENAMED: &[(&str, &str)] = &[
    ("count", "deprecatedCount"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("involvedObject", "regarding"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
];

fn rename(object: &mut Value, from: &str, to: &str) {
    if let Some(value) = object.as_object_mut().and_then(|map| map.remove(from)) {
        set(object, to, value);
    }
}

/// The selectable fields of the newer form, of a stored event.
fn select_modern(object: &Value, field: &str) -> String {
    match field.strip_prefix("regarding.") {
        Some(about) => plain(&object["involvedObject"][about]),
        None if field == "reportingController" => select(object, "source"),
        None => select(object, field),
    }
}

struct Event;

impl Strategy for Event {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let about = &object["involvedObject"]["namespace"];
        // Events about cluster-scoped objects live in `default`.
        let fits = match text(about) {
            "" => matches!(meta::namespace(object), "" | "default"),
            namespace => meta::namespace(object) == namespace,
        };
        if !fits {
            let why = "does not match event.namespace";
            errors.push(FieldError::invalid("involvedObject.namespace", &json!(text(about)), why));
        }
        if !is_unset(&object["eventTime"]) {
            modern(&mut errors, object);
        }
        errors
    }
}

/// What events in the form of events.k8s.io/v1 need besides.
fn modern(errors: &mut Errors, object: &Value) {
    let controller = &object["reportingComponent"];
    rules::required_form(errors, names::qualified_name, controller, "reportingController");
    for field in ["reportingInstance", "action", "reason"] {
        let value = text(&object[field]);
        if value.is_empty() {
            errors.push(FieldError::required(field, ""));
        }
        if value.len() > MAX_WORD {
            let why = format!("can have at most {MAX_WORD} characters");
            errors.push(FieldError::invalid(field, &object[field], &why));
        }
    }
    if text(&object["message"]).len() > MAX_MESSAGE {
        let why = format!("can have at most {MAX_MESSAGE} characters");
        errors.push(FieldError::invalid("message", &object["message"], &why));
    }
}

fn select(object: &Value, field: &str) -> String {
    if field != "source" {
        return plain(at(object, field));
    }
    let component = text(&object["source"]["component"]);
    if component.is_empty() { text(&object["reportingComponent"]) } else { component }.to_owned()
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let set = |time: &Value| cells::time_of(time).is_some();
    let event_time = &object["eventTime"];
    let first = if set(&object["firstTimestamp"]) { &object["firstTimestamp"] } else { event_time };
    let series = &object["series"];
    let (last, count) = if series.is_object() {
        (&series["lastObservedTime"], int(&series["count"]))
    } else {
        let last = if set(&object["lastTimestamp"]) { &object["lastTimestamp"] } else { first };
        (last, int(&object["count"]).max(1))
    };
    let about = &object["involvedObject"];
    let kind = text(&about["kind"]).to_lowercase();
    let target = if is_unset(&about["name"]) { kind } else { format!("{kind}/{}", text(&about["name"])) };
    vec![
        json!(cells::since(last, now)),
        json!(text(&object["type"])),
        json!(text(&object["reason"])),
        json!(target),
        json!(text(&about["fieldPath"])),
        json!(source(object)),
        json!(text(&object["message"]).trim()),
        json!(cells::since(first, now)),
        json!(count),
        cells::name(object),
    ]
}

/// `kubelet, node-1`: who says so, and where it runs.
fn source(object: &Value) -> String {
    let old = [&object["source"]["component"], &object["source"]["host"]];
    let new = [&object["reportingComponent"], &object["reportingInstance"]];
    let [component, instance] = if old.iter().all(|v| is_unset(v)) { new } else { old }.map(text);
    if instance.is_empty() { component.to_owned() } else { format!("{component}, {instance}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_shows_its_last_time_and_count() {
        let event = json!({"eventTime": "2026-01-01T00:00:00.000000Z", "reportingComponent": "kubelet",
            "reportingInstance": "n1", "involvedObject": {"kind": "Pod", "name": "a"}, "message": " m\n",
            "series": {"count": 7, "lastObservedTime": "2026-01-01T00:01:00.000000Z"}, "metadata": {"name": "a.1"}});
        let cells = row(&event, "2026-01-01T00:01:30Z".parse().unwrap());
        let expected = ["30s", "", "", "pod/a", "", "kubelet, n1", "m", "90s", "7", "a.1"];
        assert_eq!(cells.iter().map(plain).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn namespaces_must_agree() {
        let event =
            |ns: &str, about: &str| json!({"metadata": {"namespace": ns}, "involvedObject": {"namespace": about}});
        assert!(Event.validate(&event("a", "a")).is_empty());
        assert!(Event.validate(&event("default", "")).is_empty());
        assert_eq!(Event.validate(&event("a", ""))[0].field, "involvedObject.namespace");
        assert_eq!(Event.validate(&event("a", "b")).len(), 1);
    }
}
