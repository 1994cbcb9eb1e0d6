//! What a status may say of a pod: who writes it is trusted with the facts, not with going back on them.

use crate::{
    json::{at, items, set, text},
    names,
    rules::{self, Errors},
};
use podium_types::FieldError;
use serde_json::{Value, json};
use std::{collections::BTreeSet, net::IpAddr, ops::RangeInclusive};

/// Conditions that Kubernetes itself sets; all others have qualified names.
const SYSTEM_CONDITIONS: &[&str] = &["PodScheduled", "Ready", "ContainersReady", "Initialized"];
/// Ids of users and groups.
const IDS: RangeInclusive<i64> = 0..=i32::MAX as i64;

/// Makes `podIP` and `podIPs` say the same; `podIP` is the older, and counts.
pub(super) fn prepare(object: &mut Value) {
    let Some(status) = object.get_mut("status").filter(|s| s.is_object()) else { return };
    let (first, one) = (text(&status["podIPs"][0]["ip"]).to_owned(), text(&status["podIP"]).to_owned());
    if one.is_empty() && !first.is_empty() {
        set(status, "podIP", json!(first));
    } else if one != first {
        set(status, "podIPs", json!([{"ip": one}]));
    }
}

/// Rules for the change of a status.
pub(super) fn validate(errors: &mut Errors, object: &Value, old: &Value) {
    let (status, before) = (&object["status"], &old["status"]);
    for (i, condition) in items(&status["conditions"]).iter().enumerate() {
        let name = text(&condition["type"]);
        if !SYSTEM_CONDITIONS.contains(&name) {
            // The path is Kubernetes' own.
            rules::form(errors, names::qualified_name(name), &format!("metadata.conditions[{i}].Type"), name);
        }
    }
    let nominated = text(&status["nominatedNodeName"]);
    if nominated != text(&before["nominatedNodeName"]) && !nominated.is_empty() {
        rules::form(errors, names::dns_subdomain(nominated), "status.nominatedNodeName", nominated);
    }
    rules::immutable(errors, &status["qosClass"], &before["qosClass"], "status.qosClass");
    for (list, containers) in [
        ("containerStatuses", "containers"),
        ("initContainerStatuses", "initContainers"),
        ("ephemeralContainerStatuses", "ephemeralContainers"),
    ] {
        let path = format!("status.{list}");
        transitions(errors, &status[list], &before[list], &path, |name, code| may_restart(old, containers, name, code));
        users(errors, &status[list], &path);
    }
    claims(errors, &status["resourceClaimStatuses"], at(object, "spec.resourceClaims"));
    addresses(errors, status, before, "podIPs");
    if let Some(first) = items(&status["hostIPs"]).first().filter(|first| first["ip"] != status["hostIP"]) {
        errors.push(FieldError::invalid("status.hostIPs[0].ip", &first["ip"], "must be equal to `hostIP`"));
    }
    addresses(errors, status, before, "hostIPs");
}

/// What has ended for good does not begin again.
fn transitions(errors: &mut Errors, new: &Value, old: &Value, path: &str, again: impl Fn(&Value, i64) -> bool) {
    for (i, was) in items(old).iter().enumerate() {
        let ended = at(was, "state.terminated");
        let code = ended["exitCode"].as_i64().unwrap_or_default();
        if ended.is_null() || again(&was["name"], code) {
            continue;
        }
        let is = items(new).iter().filter(|is| is["name"] == was["name"]);
        for _ in is.filter(|is| at(is, "state.terminated").is_null()) {
            let why = "may not be transitioned to non-terminated state";
            errors.push(FieldError::forbidden(format!("{path}[{i}].state"), why));
        }
    }
}

/// Whether a container of that name, which ended with `code`, may be started again.
fn may_restart(pod: &Value, list: &str, name: &Value, code: i64) -> bool {
    let container = items(&pod["spec"][list]).iter().find(|c| c["name"] == *name).unwrap_or(&Value::Null);
    let policy = match text(&container["restartPolicy"]) {
        "" => text(&pod["spec"]["restartPolicy"]),
        own => own,
    };
    let ruled = !items(&container["restartPolicyRules"]).is_empty();
    list != "ephemeralContainers" && (ruled || policy == "Always" || policy == "OnFailure" && code != 0)
}

/// Rules for the users that containers run as.
fn users(errors: &mut Errors, statuses: &Value, path: &str) {
    for (i, status) in items(statuses).iter().enumerate() {
        let (user, path) = (at(status, "user.linux"), format!("{path}[{i}].linux"));
        let more = items(&user["supplementalGroups"]).iter().enumerate();
        let ids = [("uid".to_owned(), &user["uid"]), ("gid".to_owned(), &user["gid"])];
        for (name, id) in ids.into_iter().chain(more.map(|(n, id)| (format!("supplementalGroups[{n}]"), id))) {
            if id.as_i64().is_some_and(|id| !IDS.contains(&id)) {
                let why = format!("must be between {} and {}, inclusive", IDS.start(), IDS.end());
                errors.push(FieldError::invalid(format!("{path}.{name}"), id, &why));
            }
        }
    }
}

/// Rules for the claims that were made for the pod.
fn claims(errors: &mut Errors, statuses: &Value, claims: &Value) {
    let mut seen = BTreeSet::new();
    for (i, status) in items(statuses).iter().enumerate() {
        let (name, path) = (text(&status["name"]), format!("status.resourceClaimStatuses[{i}].name"));
        if !items(claims).iter().any(|claim| claim["name"] == name) {
            let why = "must match the name of an entry in `spec.resourceClaims`";
            errors.push(FieldError::invalid(&path, &json!(name), why));
        }
        if !seen.insert(name) {
            errors.push(FieldError::duplicate(&path, &json!(name)));
        }
        if let Some(claim) = status["resourceClaimName"].as_str() {
            rules::form(errors, names::dns_subdomain(claim), &path, claim);
        }
    }
}

/// Rules for a list of addresses: one per family; what was there before is taken as it is.
fn addresses(errors: &mut Errors, status: &Value, before: &Value, field: &str) {
    let (list, path) = (items(&status[field]), format!("status.{field}"));
    for (i, entry) in list.iter().enumerate() {
        if !items(&before[field]).contains(entry) {
            let address = text(&entry["ip"]);
            rules::form(errors, names::ip(address), &format!("{path}[{i}]"), address);
        }
    }
    let mut families = BTreeSet::new();
    let known: Vec<IpAddr> = list.iter().filter_map(|entry| text(&entry["ip"]).parse().ok()).collect();
    if list.len() > 1 && !known.iter().all(|address| families.insert(address.is_ipv4())) {
        let why = "may specify no more than one IP for each IP family";
        errors.push(FieldError::invalid(&path, &status[field], why));
    }
    let mut seen = BTreeSet::new();
    for (i, entry) in list.iter().enumerate() {
        if !seen.insert(text(&entry["ip"])) {
            errors.push(FieldError::duplicate(format!("{path}[{i}]"), entry));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a status after another.
    fn told(spec: &Value, before: &Value, status: &Value) -> Vec<String> {
        let [old, mut new] = [before, status].map(|status| json!({"spec": spec, "status": status}));
        prepare(&mut new);
        let mut errors = Errors::new();
        validate(&mut errors, &new, &old);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_has_ended_stays_so() {
        let ended = |code: i64| json!({"terminated": {"exitCode": code}});
        let container = |own: Value| {
            let mut container = json!({"name": "a"});
            container.as_object_mut().expect("an object").extend(own.as_object().cloned().unwrap_or_default());
            container
        };
        for (policy, own, list, statuses, code, refused) in [
            ("Never", json!({}), "containers", "containerStatuses", 0, true),
            ("Never", json!({}), "containers", "containerStatuses", 1, true),
            ("OnFailure", json!({}), "containers", "containerStatuses", 0, true),
            ("OnFailure", json!({}), "containers", "containerStatuses", 1, false),
            ("Always", json!({}), "containers", "containerStatuses", 0, false),
            ("Never", json!({"restartPolicy": "OnFailure"}), "containers", "containerStatuses", 1, false),
            ("Always", json!({"restartPolicy": "Never"}), "containers", "containerStatuses", 1, true),
            ("Never", json!({"restartPolicyRules": [{}]}), "containers", "containerStatuses", 1, false),
            ("Never", json!({}), "initContainers", "initContainerStatuses", 1, true),
            ("Never", json!({"restartPolicy": "Always"}), "initContainers", "initContainerStatuses", 0, false),
            ("Always", json!({}), "ephemeralContainers", "ephemeralContainerStatuses", 1, true),
        ] {
            let mut spec = json!({"restartPolicy": policy});
            spec[list] = json!([container(own.clone())]);
            let status = |state: Value| json!({statuses: [{"name": "a", "state": state}]});
            let expected =
                format!("status.{statuses}[0].state: Forbidden: may not be transitioned to non-terminated state");
            let expected = if refused { vec![expected] } else { vec![] };
            for state in [json!({"running": {}}), json!({"waiting": {"reason": "CrashLoopBackOff"}}), json!({})] {
                assert_eq!(
                    told(&spec, &status(ended(code)), &status(state)),
                    expected,
                    "{policy} {own} {statuses} {code}"
                );
            }
            assert!(told(&spec, &status(ended(code)), &status(ended(code))).is_empty());
            assert!(told(&spec, &status(json!({"running": {}})), &status(ended(code))).is_empty());
        }
    }

    #[test]
    fn addresses_names_and_users() {
        let spec = json!({"resourceClaims": [{"name": "gpu"}]});
        let user = |user: Value| json!({"containerStatuses": [{"name": "a", "user": {"linux": user}}]});
        for (status, expected) in [
            (json!({"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}), vec![]),
            (
                json!({"podIP": "10.0.0.300"}),
                vec![
                    r#"status.podIPs[0]: Invalid value: "10.0.0.300": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#,
                ],
            ),
            (
                json!({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]}),
                vec![
                    r#"status.podIPs: Invalid value: [{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}]: may specify no more than one IP for each IP family"#,
                ],
            ),
            (
                json!({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.1"}]}),
                vec![
                    r#"status.podIPs: Invalid value: [{"ip":"10.0.0.1"},{"ip":"10.0.0.1"}]: may specify no more than one IP for each IP family"#,
                    r#"status.podIPs[1]: Duplicate value: {"ip":"10.0.0.1"}"#,
                ],
            ),
            (json!({"hostIP": "10.0.0.1", "hostIPs": [{"ip": "10.0.0.1"}]}), vec![]),
            (
                json!({"hostIP": "10.0.0.2", "hostIPs": [{"ip": "10.0.0.1"}]}),
                vec![r#"status.hostIPs[0].ip: Invalid value: "10.0.0.1": must be equal to `hostIP`"#],
            ),
            (json!({"nominatedNodeName": "node-a"}), vec![]),
            (
                json!({"conditions": [{"type": "Ready"}, {"type": "example.com/gate"}, {"type": "a b"}]}),
                vec![r#"metadata.conditions[2].Type: Invalid value: "a b": …"#],
            ),
            (
                json!({"resourceClaimStatuses": [{"name": "gpu"}, {"name": "gpu"}, {"name": "tpu"}]}),
                vec![
                    r#"status.resourceClaimStatuses[1].name: Duplicate value: "gpu""#,
                    r#"status.resourceClaimStatuses[2].name: Invalid value: "tpu": must match the name of an entry in `spec.resourceClaims`"#,
                ],
            ),
            (user(json!({"uid": 0, "gid": 1, "supplementalGroups": [2]})), vec![]),
            (
                user(json!({"uid": -1, "gid": 1, "supplementalGroups": [1_i64 << 31]})),
                vec![
                    "status.containerStatuses[0].linux.uid: Invalid value: -1: must be between 0 and 2147483647, inclusive",
                    "status.containerStatuses[0].linux.supplementalGroups[0]: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive",
                ],
            ),
        ] {
            let found = told(&spec, &json!({}), &status);
            let same = |found: &String, expected: &&str| match expected.strip_suffix('…') {
                Some(start) => found.starts_with(start),
                None => found == expected,
            };
            let all = found.len() == expected.len() && found.iter().zip(&expected).all(|(f, e)| same(f, e));
            assert!(all, "{status}: {found:#?}");
            // What is there already is let be.
            let kept =
                told(&spec, &json!({"podIPs": [{"ip": "10.0.0.300"}]}), &json!({"podIPs": [{"ip": "10.0.0.300"}]}));
            assert!(kept.is_empty(), "{kept:?}");
        }
        let moved = told(
            &spec,
            &json!({"podIPs": [{"ip": "10.0.0.1"}]}),
            &json!({"podIP": "10.0.0.2", "podIPs": [{"ip": "10.0.0.1"}]}),
        );
        assert!(moved.is_empty(), "{moved:?}");
        let nominated = told(&spec, &json!({}), &json!({"nominatedNodeName": "Node"}));
        assert!(nominated[0].starts_with(r#"status.nominatedNodeName: Invalid value: "Node": "#), "{nominated:?}");
    }
}
