//! The APIServices of the groups and versions that this server answers itself.
//!
//! kube-apiserver lists its own beside those of extension servers; clients read from them who answers what.

use crate::discovery::{Virtual, group_version, group_versions};
use serde_json::{Value, json};

/// The label by which kube-aggregator knows those that it keeps itself.
const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";
/// Place of a group among the others; the first come first.
const PRIORITIES: &[(&str, i64)] = &[
    ("", 18_000),
    ("apps", 17_800),
    ("events.k8s.io", 17_750),
    ("authentication.k8s.io", 17_700),
    ("authorization.k8s.io", 17_600),
    ("autoscaling", 17_500),
    ("batch", 17_400),
    ("certificates.k8s.io", 17_300),
    ("networking.k8s.io", 17_200),
    ("policy", 17_100),
    ("rbac.authorization.k8s.io", 17_000),
    ("storage.k8s.io", 16_800),
    ("apiextensions.k8s.io", 16_700),
    ("admissionregistration.k8s.io", 16_700),
    ("scheduling.k8s.io", 16_600),
    ("coordination.k8s.io", 16_500),
    ("node.k8s.io", 16_300),
    ("discovery.k8s.io", 16_200),
    ("flowcontrol.apiserver.k8s.io", 16_100),
    ("resource.k8s.io", 15_200),
];
/// Place of a group that Kubernetes does not have.
const OTHER: i64 = 100;
/// Place of a version within its group, and of one that is preferred, of one that is older, and of the core's.
const VERSION: i64 = 15;
const PREFERRED: i64 = 30;
const BETA: i64 = 9;
const CORE: i64 = 1;

/// The APIServices of all that is served, `virtuals` included. One for another group than apiregistration.k8s.io's
/// own, whose objects these are.
pub fn api_services(virtuals: &[Virtual]) -> Vec<Value> {
    let served = group_versions(virtuals).into_iter().filter(|(group, _)| *group != "apiregistration.k8s.io");
    served.map(|(group, version)| api_service(group, version)).collect()
}

fn api_service(group: &str, version: &str) -> Value {
    let place = PRIORITIES.iter().find(|(name, _)| *name == group).map_or(OTHER, |(_, place)| *place);
    let within = match (group, version) {
        ("", _) => CORE,
        ("autoscaling", "v2") => PREFERRED,
        (_, version) if version.contains("beta") => BETA,
        _ => VERSION,
    };
    json!({"apiVersion": group_version("apiregistration.k8s.io", "v1"), "kind": "APIService",
        "metadata": {"name": format!("{version}.{group}"), "labels": {MANAGED: "onstart"}},
        "spec": {"group": group, "version": version, "groupPriorityMinimum": place, "versionPriority": within}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_one_that_is_sound() {
        let services = api_services(&[]);
        let kind = podium_kinds::by_resource("apiservices.apiregistration.k8s.io").unwrap();
        for service in &services {
            let mut service = service.clone();
            kind.strategy.default(&mut service);
            assert_eq!(kind.strategy.validate(&service), [], "{service}");
            let name = service["metadata"]["name"].as_str().unwrap();
            assert_eq!(kind.strategy.validate_name(name), Ok(()), "{name}");
        }
        let named = |name: &str| services.iter().find(|service| service["metadata"]["name"] == name);
        assert_eq!(named("v1.").map(|s| s["spec"]["groupPriorityMinimum"].clone()), Some(json!(18_000)));
        assert_eq!(named("v2.autoscaling").map(|s| s["spec"]["versionPriority"].clone()), Some(json!(30)));
        assert_eq!(named("v1.apiregistration.k8s.io"), None);
        assert_eq!(services.len(), group_versions(&[]).len() - 1);
    }
}
