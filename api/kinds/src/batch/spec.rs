//! Defaults of and rules for the spec of a Job, alone or in a CronJob.

use super::policy;
use crate::{
    json::{at, at_mut, int, is_unset, text},
    pod,
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::Value;

/// Pods of an Indexed Job that may run at a time, and indexes where some may fail.
const MAX_PARALLELISM: i64 = 100_000;

/// Defaults of the pods of a Job.
pub(super) fn template_defaults(spec: &mut Value) {
    if let Some(pod) = at_mut(spec, "template.spec") {
        pod::default_spec(pod);
    }
    policy::defaults(spec);
}

/// Rules for the spec at `path`, the selector excepted.
pub(super) fn validate(errors: &mut Errors, spec: &Value, path: &str) {
    let numbers = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    rules::not_negative(errors, spec, path, &numbers);
    let replacements = &["Failed", "TerminatingOrFailed"];
    rules::one_of(errors, &spec["podReplacementPolicy"], &child(path, "podReplacementPolicy"), replacements);
    rules::one_of(errors, &spec["completionMode"], &child(path, "completionMode"), &["Indexed", "NonIndexed"]);
    indexes(errors, spec, path);
    policy::validate(errors, spec, path);
    pod::validate_template(errors, &spec["template"], &child(path, "template"));
    restart_policy(errors, at(spec, "template.spec.restartPolicy"), &child(path, "template.spec.restartPolicy"));
    if !is_unset(&spec["podFailurePolicy"]) && text(at(spec, "template.spec.restartPolicy")) != "Never" {
        let why = "only \"Never\" is supported when podFailurePolicy is specified";
        let path = child(path, "template.spec.restartPolicy");
        errors.push(FieldError::invalid(path, at(spec, "template.spec.restartPolicy"), why));
    }
}

fn indexes(errors: &mut Errors, spec: &Value, path: &str) {
    let (completions, parallelism) = (&spec["completions"], &spec["parallelism"]);
    if text(&spec["completionMode"]) == "Indexed" {
        rules::required(errors, completions, &child(path, "completions"), "when completion mode is Indexed");
        if int(parallelism) > MAX_PARALLELISM {
            let why = format!("must be less than or equal to {MAX_PARALLELISM} when completion mode is Indexed");
            errors.push(FieldError::invalid(child(path, "parallelism"), parallelism, &why));
        }
    } else {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if !spec[field].is_null() {
                let why = "requires indexed completion mode";
                errors.push(FieldError::invalid(child(path, field), &spec[field], why));
            }
        }
    }
    let most = &spec["maxFailedIndexes"];
    if !most.is_null() {
        let why = "when maxFailedIndexes is specified";
        rules::required(errors, &spec["backoffLimitPerIndex"], &child(path, "backoffLimitPerIndex"), why);
        if int(most) > int(completions) && !completions.is_null() {
            let why = "must be less than or equal to completions";
            errors.push(FieldError::invalid(child(path, "maxFailedIndexes"), most, why));
        }
    }
}

/// Pods of a Job end: they are not restarted for ever.
fn restart_policy(errors: &mut Errors, policy: &Value, path: &str) {
    match text(policy) {
        "" | "Always" => errors.push(FieldError::required(path, r#"valid values: "OnFailure", "Never""#)),
        "OnFailure" | "Never" => {}
        _ => errors.push(FieldError::not_supported(path, policy, &["Never", "OnFailure"])),
    }
}
