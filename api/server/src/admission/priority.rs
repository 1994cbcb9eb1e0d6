//! Priority: a pod gets the number and the policy of its PriorityClass.

use super::{find, with_word};
use crate::verbs::Api;
use podium_types::{ApiError, meta};
use serde_json::{Value, json};

/// Storage name of PriorityClasses.
pub(super) const RESOURCE: &str = "priorityclasses.scheduling.k8s.io";
/// What the text of a class has that is meant for pods without one.
const IS_DEFAULT: &str = "\"globalDefault\":true";
const PREEMPT: &str = "PreemptLowerPriority";

/// What a pod gets.
#[derive(Debug, PartialEq)]
struct Class {
    name: String,
    value: i64,
    policy: String,
}

impl Class {
    fn of(object: &Value) -> Self {
        let policy = object["preemptionPolicy"].as_str().filter(|p| !p.is_empty()).unwrap_or(PREEMPT);
        let value = object["value"].as_i64().unwrap_or_default();
        Self { name: meta::name(object).to_owned(), value, policy: policy.to_owned() }
    }
}

/// Sets priority and preemption policy of a new pod.
pub(super) fn admit(api: &Api, pod: &mut Value) -> Result<(), ApiError> {
    let class = match pod["spec"]["priorityClassName"].as_str() {
        Some(name) if !name.is_empty() => match find(api, RESOURCE, "", name).map(|class| class.value()) {
            Some(class) => Class::of(&class),
            None => match podium_kinds::system_priority(name) {
                Some(value) => Class { name: name.to_owned(), value, policy: PREEMPT.to_owned() },
                None => return refused(pod, &format!("no PriorityClass with name {name} was found")),
            },
        },
        _ => unnamed(&with_word(api, RESOURCE, None, IS_DEFAULT)),
    };
    match give(pod, &class) {
        Ok(()) => Ok(()),
        Err(why) => refused(pod, &why),
    }
}

fn refused(pod: &Value, why: &str) -> Result<(), ApiError> {
    Err(ApiError::forbidden("pods", "", meta::name(pod), why))
}

/// What pods without a class get. Of several defaults (made at the same time) the lowest counts.
fn unnamed(defaults: &[Value]) -> Class {
    let default = defaults.iter().filter(|class| class["globalDefault"] == true).map(Class::of);
    let lowest = default.min_by_key(|class| class.value);
    lowest.unwrap_or_else(|| Class { name: String::new(), value: 0, policy: PREEMPT.to_owned() })
}

/// Gives the class to the pod, unless the pod says otherwise itself.
fn give(pod: &mut Value, class: &Class) -> Result<(), String> {
    let must_not = |what: &str, own: &str, ours: &str| {
        Err(format!(
            "the {what} ({own}) must not be provided in pod spec; priority admission controller computed {ours} from \
             the given PriorityClass name"
        ))
    };
    let spec = meta::member_mut(pod, "spec");
    if let Some(own) = spec.get("priority").and_then(Value::as_i64).filter(|own| *own != class.value) {
        return must_not("integer value of priority", &own.to_string(), &class.value.to_string());
    }
    if let Some(own) = spec.get("preemptionPolicy").and_then(Value::as_str).filter(|own| *own != class.policy) {
        return must_not("string value of PreemptionPolicy", own, &class.policy);
    }
    if !class.name.is_empty() {
        spec.insert("priorityClassName".into(), json!(class.name));
    }
    spec.insert("priority".into(), json!(class.value));
    spec.insert("preemptionPolicy".into(), json!(class.policy));
    Ok(())
}

/// A pod that is written without them keeps what it was given.
pub(super) fn carry(new: &mut Value, old: &Value) {
    for field in ["priority", "preemptionPolicy"] {
        if new["spec"][field].is_null() && !old["spec"][field].is_null() {
            meta::member_mut(new, "spec").insert(field.into(), old["spec"][field].clone());
        }
    }
}

/// Refuses a second default.
pub(super) fn only_default(api: &Api, class: &Value) -> Result<(), ApiError> {
    if class["globalDefault"] != true {
        return Ok(());
    }
    let others = with_word(api, RESOURCE, None, IS_DEFAULT);
    let other = others.iter().find(|other| other["globalDefault"] == true && meta::name(other) != meta::name(class));
    let Some(other) = other.map(meta::name) else { return Ok(()) };
    let why = format!("PriorityClass {other} is already marked as default. Only one default can exist");
    Err(ApiError::forbidden("priorityclasses", "scheduling.k8s.io", meta::name(class), &why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str, value: i64, policy: &str) -> Class {
        Class { name: name.to_owned(), value, policy: policy.to_owned() }
    }

    #[test]
    fn the_class_decides() {
        let high = class("high", 1000, "Never");
        let given = json!({"priorityClassName": "high", "priority": 1000, "preemptionPolicy": "Never"});
        let number = "the integer value of priority (7) must not be provided in pod spec; priority admission \
            controller computed 1000 from the given PriorityClass name";
        let policy = "the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided in pod spec; \
            priority admission controller computed Never from the given PriorityClass name";
        for (spec, expected) in [
            (json!({"priorityClassName": "high"}), Ok(())),
            (json!({}), Ok(())),
            (given.clone(), Ok(())),
            (json!({"priority": 7}), Err(number)),
            (json!({"preemptionPolicy": PREEMPT}), Err(policy)),
        ] {
            let mut pod = json!({"spec": spec});
            assert_eq!(give(&mut pod, &high), expected.map_err(str::to_owned), "{spec}");
            assert!(expected.is_err() || pod["spec"] == given, "{pod}");
        }
        let mut plain = json!({"spec": {}});
        assert_eq!(give(&mut plain, &unnamed(&[])), Ok(()));
        assert_eq!(plain["spec"], json!({"priority": 0, "preemptionPolicy": PREEMPT}));
    }

    #[test]
    fn the_lowest_default_counts() {
        let default =
            |name: &str, value: i64| json!({"metadata": {"name": name}, "value": value, "globalDefault": true});
        let defaults = [default("b", 20), default("a", 10), json!({"metadata": {"name": "c"}, "value": 1})];
        assert_eq!(unnamed(&defaults), class("a", 10, PREEMPT));
    }
}
