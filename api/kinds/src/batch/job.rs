//! Job: pods that run until enough of them have succeeded.

use super::spec;
use crate::{
    Column, Context, Kind, Strategy, Subresource,
    apps::workload,
    cells,
    cells::number,
    json::{at, carry, int, is_unset, items, set, set_default, text},
    names,
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp, duration::human_age, meta};
use serde_json::{Value, json};

/// Failed pods after which a Job has failed.
const BACKOFF_LIMIT: i64 = 6;
/// Labels of a Job's pods, old and new names: the Job's uid, and its name.
const UID_LABELS: [&str; 2] = ["batch.kubernetes.io/controller-uid", "controller-uid"];
const NAME_LABELS: [&str; 2] = ["batch.kubernetes.io/job-name", "job-name"];
/// What says how a Job counts, and therefore stays.
const FIXED: &[&str] =
    &["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy", "selector"];
/// What a suspended Job's pods may still be given before they start.
const DIRECTIVES: &[&str] = &["nodeSelector", "tolerations", "schedulingGates", "affinity"];

/// batch/v1 Job.
pub static KIND: Kind = Kind {
    group: "batch",
    kind: "Job",
    list_kind: "JobList",
    plural: "jobs",
    singular: "job",
    categories: &["all"],
    resource: "jobs.batch",
    schema: "io.k8s.api.batch.v1.Job",
    subresources: &[Subresource::part("status", "Job")],
    columns: &[
        Column::NAME,
        Column::text("Status"),
        Column::text("Completions"),
        Column::text("Duration"),
        Column::AGE,
        Column::text("Containers").wide(),
        Column::text("Images").wide(),
        Column::text("Selector").wide(),
    ],
    row,
    selectable: &["status.successful"],
    select: Some(|object, _| number(object, "status.succeeded").to_string()),
    generation: true,
    strategy: &Job,
    ..Kind::PLAIN
};

struct Job;

impl Strategy for Job {
    fn default(&self, object: &mut Value) {
        let labels = at(object, "spec.template.metadata.labels").clone();
        let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
        spec::template_defaults(spec);
        if spec["completions"].is_null() && spec["parallelism"].is_null() {
            set(spec, "completions", 1);
        }
        set_default(spec, "parallelism", 1);
        let per_index = !spec["backoffLimitPerIndex"].is_null();
        set_default(spec, "backoffLimit", if per_index { i64::from(i32::MAX) } else { BACKOFF_LIMIT });
        set_default(spec, "completionMode", "NonIndexed");
        set_default(spec, "suspend", false);
        let strict = !spec["podFailurePolicy"].is_null();
        set_default(spec, "podReplacementPolicy", if strict { "Failed" } else { "TerminatingOrFailed" });
        if !is_unset(&labels) && is_unset(at(object, "metadata.labels")) {
            meta::metadata_mut(object).insert("labels".into(), labels);
        }
    }

    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({}));
        if at(object, "spec.manualSelector") != &json!(true) {
            own_selector(object);
        }
    }

    fn prepare_update(&self, object: &mut Value, old: &Value, _context: &Context<'_>) {
        // An applied manifest does not know the selector that was made for it.
        if is_unset(at(object, "spec.selector"))
            && let Some(spec) = object.get_mut("spec")
        {
            carry(spec, &old["spec"], "selector");
        }
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        spec::validate(&mut errors, spec, "spec");
        let selector = &spec["selector"];
        if selector.is_null() {
            errors.push(FieldError::required("spec.selector", ""));
        } else {
            rules::label_selector(&mut errors, selector, "spec.selector");
            let labels = at(spec, "template.metadata.labels");
            if !rules::selects(selector, labels) {
                let labels = if labels.is_null() { &json!({}) } else { labels };
                let why = "`selector` does not match template `labels`";
                errors.push(FieldError::invalid("spec.template.metadata.labels", labels, why));
            }
        }
        let manager = text(&spec["managedBy"]);
        if !manager.is_empty() {
            rules::form(&mut errors, names::domain_path(manager), "spec.managedBy", manager);
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        if !context.subresource.is_empty() {
            return errors;
        }
        let (new, before) = (&object["spec"], &old["spec"]);
        rules::fixed(&mut errors, new, before, "spec", FIXED);
        completions(&mut errors, new, before);
        template(&mut errors, new, old);
        errors
    }

    fn validate_name(&self, name: &str) -> Result<(), String> {
        names::dns_subdomain(name)
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        workload::warnings(object)
    }
}

/// The pods of a Job are its own: they bear its uid, and its selector asks for that.
fn own_selector(object: &mut Value) {
    let (uid, name) = (meta::uid(object).to_owned(), meta::name(object).to_owned());
    let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
    if let Some(template) = spec.get_mut("template").filter(|t| t.is_object()) {
        set_default(template, "metadata", json!({}));
        if let Some(metadata) = template.get_mut("metadata") {
            set_default(metadata, "labels", json!({}));
            if let Some(labels) = metadata.get_mut("labels") {
                UID_LABELS.iter().for_each(|label| set(labels, label, uid.clone()));
                NAME_LABELS.iter().for_each(|label| set_default(labels, label, name.clone()));
            }
        }
    }
    if is_unset(&spec["selector"]) {
        set(spec, "selector", json!({"matchLabels": {UID_LABELS[0]: uid}}));
    }
}

/// An Indexed Job grows and shrinks as a whole; any other number of completions stays.
fn completions(errors: &mut Errors, new: &Value, old: &Value) {
    if new["completions"] == old["completions"] {
        return;
    }
    let elastic = text(&new["completionMode"]) == "Indexed"
        && !new["completions"].is_null()
        && !old["completions"].is_null()
        && old["completions"] == old["parallelism"];
    if !elastic {
        errors.push(FieldError::invalid("spec.completions", &new["completions"], rules::IMMUTABLE));
    } else if new["completions"] != new["parallelism"] {
        let why = "can only be modified in tandem with spec.parallelism";
        errors.push(FieldError::invalid("spec.completions", &new["completions"], why));
    }
}

/// The template stays, but for where the pods of a Job that has not begun may run.
fn template(errors: &mut Errors, new: &Value, old: &Value) {
    let mut wanted = new["template"].clone();
    let before = &old["spec"]["template"];
    if old["spec"]["suspend"] == json!(true) && at(old, "status.startTime").is_null() {
        if let Some(pod) = wanted.get_mut("spec") {
            DIRECTIVES.iter().for_each(|field| carry(pod, &before["spec"], field));
        }
        if let Some(metadata) = wanted.get_mut("metadata") {
            ["labels", "annotations"].iter().for_each(|field| carry(metadata, &before["metadata"], field));
        }
    }
    if &wanted != before {
        errors.push(FieldError::invalid("spec.template", &new["template"], rules::IMMUTABLE));
    }
}

/// The condition of that type, where it holds.
fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    items(at(object, "status.conditions")).iter().find(|c| text(&c["type"]) == kind && text(&c["status"]) == "True")
}

fn state(object: &Value) -> &'static str {
    let holds = |kind: &&'static str| condition(object, kind).is_some();
    if let Some(end) = ["Complete", "Failed"].into_iter().find(holds) {
        return end;
    }
    if meta::is_deleting(object) {
        return "Terminating";
    }
    ["Suspended", "FailureTarget", "SuccessCriteriaMet"].into_iter().find(holds).unwrap_or("Running")
}

fn progress(object: &Value) -> String {
    let (done, spec) = (number(object, "status.succeeded"), &object["spec"]);
    match (spec["completions"].as_i64(), int(&spec["parallelism"])) {
        (Some(completions), _) => format!("{done}/{completions}"),
        (None, many) if many > 1 => format!("{done}/1 of {many}"),
        (None, _) => format!("{done}/1"),
    }
}

fn took(object: &Value, now: Timestamp) -> String {
    let status = &object["status"];
    let Some(start) = cells::time_of(&status["startTime"]) else { return String::new() };
    let failed = || condition(object, "Failed").and_then(|c| cells::time_of(&c["lastTransitionTime"]));
    human_age(start, cells::time_of(&status["completionTime"]).or_else(failed).unwrap_or(now))
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let mut cells = vec![
        cells::name(object),
        json!(state(object)),
        json!(progress(object)),
        json!(took(object, now)),
        cells::age(object, now),
    ];
    cells.extend(workload::wide_cells(object));
    cells
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
