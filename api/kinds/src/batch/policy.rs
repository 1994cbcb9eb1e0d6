//! Pod failure and success policies of a Job: what an exit code or a condition of a pod means for it.

use crate::{
    json::{is_unset, items, items_mut, set_default, text},
    names,
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::Value;

/// Limits of batch/v1.
const MAX_RULES: usize = 20;
const MAX_EXIT_CODES: usize = 255;
const MAX_CONDITIONS: usize = 20;

/// A condition is waited for where nothing else is said.
pub(super) fn defaults(spec: &mut Value) {
    for rule in items_mut(spec, "podFailurePolicy.rules") {
        for condition in items_mut(rule, "onPodConditions") {
            set_default(condition, "status", "True");
        }
    }
}

/// Rules for both policies of the spec at `path`.
pub(super) fn validate(errors: &mut Errors, spec: &Value, path: &str) {
    let failure = &spec["podFailurePolicy"];
    if !failure.is_null() {
        let path = child(path, "podFailurePolicy.rules");
        rules::too_many(errors, items(&failure["rules"]).len(), MAX_RULES, &path);
        for (i, rule) in items(&failure["rules"]).iter().enumerate() {
            failure_rule(errors, rule, &format!("{path}[{i}]"), &spec["backoffLimitPerIndex"]);
        }
    }
    success(errors, spec, &child(path, "successPolicy"));
}

fn failure_rule(errors: &mut Errors, rule: &Value, path: &str, per_index: &Value) {
    let actions = &["Count", "FailIndex", "FailJob", "Ignore"];
    rules::required_one_of(errors, &rule["action"], &child(path, "action"), actions);
    if text(&rule["action"]) == "FailIndex" && per_index.is_null() {
        let why = "requires the backoffLimitPerIndex to be set";
        errors.push(FieldError::invalid(child(path, "action"), &rule["action"], why));
    }
    let (codes, conditions) = (&rule["onExitCodes"], items(&rule["onPodConditions"]));
    match (codes.is_null(), conditions.is_empty()) {
        (false, false) => {
            let why = "specifying both OnExitCodes and OnPodConditions is not supported";
            errors.push(FieldError::invalid(path, rule, why));
        }
        (true, true) => {
            let why = "specifying one of OnExitCodes and OnPodConditions is required";
            errors.push(FieldError::invalid(path, rule, why));
        }
        _ => {}
    }
    if !codes.is_null() {
        exit_codes(errors, codes, &child(path, "onExitCodes"));
    }
    let path = child(path, "onPodConditions");
    rules::too_many(errors, conditions.len(), MAX_CONDITIONS, &path);
    for (i, condition) in conditions.iter().enumerate() {
        let path = format!("{path}[{i}]");
        rules::required_form(errors, names::qualified_name, &condition["type"], &child(&path, "type"));
        let states = &["False", "True", "Unknown"];
        rules::required_one_of(errors, &condition["status"], &child(&path, "status"), states);
    }
}

fn exit_codes(errors: &mut Errors, codes: &Value, path: &str) {
    rules::required_one_of(errors, &codes["operator"], &child(path, "operator"), &["In", "NotIn"]);
    let values = items(&codes["values"]);
    let path = child(path, "values");
    if values.is_empty() {
        errors.push(FieldError::invalid_list(&path, &codes["values"], "at least one value is required"));
    }
    rules::too_many(errors, values.len(), MAX_EXIT_CODES, &path);
    for (i, value) in values.iter().enumerate() {
        if value == 0 && codes["operator"] == "In" {
            errors.push(FieldError::invalid(format!("{path}[{i}]"), value, "must not be 0 for the In operator"));
        }
        if i > 0 && values.get(i - 1).and_then(Value::as_i64) > value.as_i64() {
            errors.push(FieldError::invalid(&path, &codes["values"], "must be ordered"));
        }
        if values.iter().take(i).any(|v| v == value) {
            errors.push(FieldError::duplicate(format!("{path}[{i}]"), value));
        }
    }
}

fn success(errors: &mut Errors, spec: &Value, path: &str) {
    let policy = &spec["successPolicy"];
    if policy.is_null() {
        return;
    }
    if text(&spec["completionMode"]) != "Indexed" {
        errors.push(FieldError::invalid(path, policy, "requires indexed completion mode"));
        return;
    }
    let path = child(path, "rules");
    rules::required(
        errors,
        &policy["rules"],
        &path,
        "at least one rules must be specified when the successPolicy is specified",
    );
    rules::too_many(errors, items(&policy["rules"]).len(), MAX_RULES, &path);
    for (i, rule) in items(&policy["rules"]).iter().enumerate() {
        if rule["succeededCount"].is_null() && is_unset(&rule["succeededIndexes"]) {
            let why = "at least one of succeededCount or succeededIndexes must be specified";
            errors.push(FieldError::required(format!("{path}[{i}]"), why));
        }
        rules::at_least(errors, &rule["succeededCount"], &format!("{path}[{i}].succeededCount"), 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn messages() {
        let cases: &[(Value, &[&str])] = &[
            (json!({"action": "Count", "onExitCodes": {"operator": "In", "values": [1, 2]}}), &[]),
            (
                json!({"action": "FailIndex", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}),
                &[
                    r#"podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set"#,
                ],
            ),
            (
                json!({"action": "Shrug", "onExitCodes": {"operator": "In", "values": [2, 0]}}),
                &[
                    r#"podFailurePolicy.rules[0].action: Unsupported value: "Shrug": supported values: "Count", "FailIndex", "FailJob", "Ignore""#,
                    "podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
                    "podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,0]: must be ordered",
                ],
            ),
            (
                json!({"action": "Ignore"}),
                &[
                    r#"podFailurePolicy.rules[0]: Invalid value: {"action":"Ignore"}: specifying one of OnExitCodes and OnPodConditions is required"#,
                ],
            ),
        ];
        for (rule, expected) in cases {
            let mut errors = Errors::new();
            validate(&mut errors, &json!({"podFailurePolicy": {"rules": [rule]}}), "");
            assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), *expected, "{rule}");
        }
        let mut errors = Errors::new();
        validate(&mut errors, &json!({"completionMode": "Indexed", "successPolicy": {"rules": [{}]}}), "");
        assert_eq!(errors.len(), 1);
    }
}
