//! RuntimeClass: a pod carries what its class costs beside its containers, and goes where the class can run.

use crate::verbs::Api;
use podium_types::{ApiError, Key, meta};
use serde_json::{Value, json};

pub(super) fn admit(api: &Api, pod: &mut Value) -> Result<(), ApiError> {
    let refused =
        |pod: &Value, why: &str| Err(ApiError::forbidden("pods", "", meta::name(pod), &format!("pod rejected: {why}")));
    let overhead = pod["spec"].get("overhead").filter(|o| o.as_object().is_some_and(|o| !o.is_empty())).cloned();
    let Some(name) = pod["spec"]["runtimeClassName"].as_str() else {
        return match overhead {
            Some(_) => refused(pod, "Pod Overhead set without corresponding RuntimeClass defined Overhead"),
            None => Ok(()),
        };
    };
    let kind = podium_kinds::by_resource("runtimeclasses.node.k8s.io");
    let Some(class) = kind.and_then(|kind| api.peek(kind, &Key::new("", name))) else {
        return refused(pod, &format!("RuntimeClass {name:?} not found"));
    };
    let class = class.value();
    match (class["overhead"].get("podFixed"), overhead) {
        (None, None) => {}
        (Some(fixed), Some(own)) if *fixed == own => {}
        (_, Some(_)) => return refused(pod, "Pod's Overhead doesn't match RuntimeClass's defined Overhead"),
        (Some(fixed), None) => drop(meta::member_mut(pod, "spec").insert("overhead".into(), fixed.clone())),
    }
    match schedule(pod, &class["scheduling"]) {
        Ok(()) => Ok(()),
        Err(why) => refused(pod, &why),
    }
}

/// Adds the class' node selector and tolerations to the pod's own.
fn schedule(pod: &mut Value, scheduling: &Value) -> Result<(), String> {
    let spec = meta::member_mut(pod, "spec");
    if let Some(wanted) = scheduling["nodeSelector"].as_object().filter(|wanted| !wanted.is_empty()) {
        let own = spec.entry("nodeSelector").or_insert_with(|| json!({}));
        if own.is_null() {
            *own = json!({});
        }
        for (key, value) in wanted {
            match own.get(key) {
                Some(other) if other != value => {
                    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                    return Err(format!(
                        "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {}; pod.spec.nodeSelector[{key}] = {}",
                        text(value),
                        text(other)
                    ));
                }
                _ => own[key] = value.clone(),
            }
        }
    }
    let more = scheduling["tolerations"].as_array().into_iter().flatten();
    let mut own = spec.get("tolerations").and_then(Value::as_array).cloned().unwrap_or_default();
    let before = own.len();
    for toleration in more {
        if !own.contains(toleration) {
            own.push(toleration.clone());
        }
    }
    if own.len() > before {
        spec.insert("tolerations".into(), own.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_and_tolerations_are_joined() {
        let pod = |spec: Value| json!({"metadata": {"name": "p"}, "spec": spec});
        let class = json!({"nodeSelector": {"kind": "big"}, "tolerations": [{"key": "big", "operator": "Exists"}]});
        let mut plain = pod(json!({}));
        assert_eq!(schedule(&mut plain, &class), Ok(()));
        assert_eq!(plain["spec"], class);
        let mut both = pod(json!({"nodeSelector": {"zone": "a"}, "tolerations": class["tolerations"]}));
        assert_eq!(schedule(&mut both, &class), Ok(()));
        assert_eq!(both["spec"]["nodeSelector"], json!({"zone": "a", "kind": "big"}));
        assert_eq!(both["spec"]["tolerations"], class["tolerations"], "once is enough");
        let why = schedule(&mut pod(json!({"nodeSelector": {"kind": "small"}})), &class);
        assert!(why.is_err_and(|why| why.starts_with("conflict: ") && why.ends_with("= small")));
        let mut none = pod(json!({}));
        assert_eq!(schedule(&mut none, &Value::Null), Ok(()));
        assert_eq!(none["spec"], json!({}));
    }
}
