//! How fast an autoscaler goes up and down.

use crate::{
    json::{is_unset, items, set, set_default},
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};

/// Limits of autoscaling/v2, in seconds.
const MAX_WINDOW: i64 = 3600;
const MAX_PERIOD: i64 = 1800;

/// Twice as many or four more at once, and down to the least that the window allows.
pub(super) fn defaults(behavior: &mut Value) {
    let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    let up = json!([percent, {"type": "Pods", "value": 4, "periodSeconds": 15}]);
    for (direction, policies) in [("scaleUp", up), ("scaleDown", json!([percent]))] {
        set_default(behavior, direction, json!({}));
        let Some(rules) = behavior.get_mut(direction).filter(|r| r.is_object()) else { continue };
        if direction == "scaleUp" {
            set_default(rules, "stabilizationWindowSeconds", 0);
        }
        set_default(rules, "selectPolicy", "Max");
        if is_unset(&rules["policies"]) {
            set(rules, "policies", policies);
        }
    }
}

/// Rules for both directions.
pub(super) fn validate(errors: &mut Errors, behavior: &Value, path: &str) {
    for direction in ["scaleUp", "scaleDown"] {
        if !behavior[direction].is_null() {
            rules_of(errors, &behavior[direction], &child(path, direction));
        }
    }
}

fn rules_of(errors: &mut Errors, rules: &Value, path: &str) {
    let window = &rules["stabilizationWindowSeconds"];
    bounded(errors, window, &child(path, "stabilizationWindowSeconds"), 0, MAX_WINDOW);
    let choices = &["Disabled", "Max", "Min"];
    rules::one_of(errors, &rules["selectPolicy"], &child(path, "selectPolicy"), choices);
    rules::required(errors, &rules["policies"], &child(path, "policies"), "must specify at least one Policy");
    for (i, policy) in items(&rules["policies"]).iter().enumerate() {
        let path = format!("{path}.policies[{i}]");
        rules::required_one_of(errors, &policy["type"], &child(&path, "type"), &["Percent", "Pods"]);
        bounded(errors, &policy["value"], &child(&path, "value"), 1, i64::from(i32::MAX));
        bounded(errors, &policy["periodSeconds"], &child(&path, "periodSeconds"), 1, MAX_PERIOD);
    }
}

fn bounded(errors: &mut Errors, value: &Value, path: &str, least: i64, most: i64) {
    let Some(number) = value.as_i64() else { return };
    let why = match number {
        n if n < least && least == 1 => "must be greater than zero".to_owned(),
        n if n < least => "must be greater than or equal to zero".to_owned(),
        n if n > most => format!("must be less than or equal to {most}"),
        _ => return,
    };
    errors.push(FieldError::invalid(path, value, &why));
}
