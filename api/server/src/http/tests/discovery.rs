//! Discovery in both of its forms is that of kube-apiserver, for every group that is served.

use super::*;

/// As clients since 1.26 ask for it.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
/// Groups that kube-apiserver has and nobody but itself speaks: none of them is generally available.
const NOT_GENERAL: &[&str] = &["internal.apiserver.k8s.io", "storagemigration.k8s.io"];

fn oracle(name: &str) -> Option<Value> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/kubernetes-v1.36/discovery").join(name);
    let text = std::fs::read(place).ok();
    if text.is_none() {
        println!("skipped: the oracle {name} is not here");
    }
    serde_json::from_slice(&text?).ok()
}

/// Whether a version is neither alpha nor beta.
fn is_general(version: &Value) -> bool {
    version.as_str().and_then(|v| v.strip_prefix('v')).is_some_and(|v| v.bytes().all(|c| c.is_ascii_digit()))
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Resources by name, comparable.
fn resources(document: &Value, name: &str) -> Vec<Value> {
    let mut found = list(document, "resources").to_vec();
    found.sort_by_key(|resource| resource[name].to_string());
    found
}

#[test]
fn groups_and_their_resources() {
    with_server(|c| async move {
        let Some(all) = oracle("apis.json") else { return };
        let (_, groups) = c.get("/apis").await;
        let mut compared = 0;
        for theirs in list(&all, "groups").iter().filter(|g| !NOT_GENERAL.iter().any(|n| g["name"] == *n)) {
            let name = theirs["name"].as_str().unwrap();
            let ours = list(&groups, "groups").iter().find(|g| g["name"] == name);
            let ours = ours.unwrap_or_else(|| panic!("{name} is not served"));
            let general = |group: &Value| -> Vec<Value> {
                list(group, "versions").iter().filter(|v| is_general(&v["version"])).cloned().collect()
            };
            assert_eq!(general(ours), general(theirs), "{name}");
            assert_eq!(ours["preferredVersion"], theirs["preferredVersion"], "{name}");
            let (_, alone) = c.get(&format!("/apis/{name}")).await;
            assert_eq!((&alone["kind"], &alone["versions"]), (&json!("APIGroup"), &ours["versions"]), "{name}");
            for version in general(theirs) {
                let version = version["version"].as_str().unwrap();
                let theirs = oracle(&format!("apis__{name}__{version}.json")).unwrap();
                let (_, ours) = c.get(&format!("/apis/{name}/{version}")).await;
                assert_eq!(resources(&ours, "name"), resources(&theirs, "name"), "{name}/{version}");
                assert_eq!((&ours["kind"], &ours["groupVersion"]), (&theirs["kind"], &theirs["groupVersion"]));
                compared += 1;
            }
        }
        assert!(compared > 15, "{compared} versions");
        let theirs = oracle("api__v1.json").unwrap();
        let (_, ours) = c.get("/api/v1").await;
        assert_eq!(resources(&ours, "name"), resources(&theirs, "name"));
        let (_, ours) = c.get("/api").await;
        assert_eq!(
            (&ours["kind"], &ours["versions"]),
            (&json!("APIVersions"), &oracle("api.json").unwrap()["versions"])
        );
    });
}

#[test]
fn the_aggregated_form() {
    with_server(|c| async move {
        let Some(all) = oracle("aggregated_v2.json") else { return };
        let (_, core) = c.ask("GET", "/api", &[("accept", AGGREGATED)], "").await;
        let (_, others) = c.ask("GET", "/apis", &[("accept", AGGREGATED)], "").await;
        let ours = [list(&core, "items"), list(&others, "items")].concat();
        let mut compared = 0;
        for theirs in list(&all, "items") {
            let name = &theirs["metadata"]["name"];
            let ours = ours.iter().find(|group| &group["metadata"]["name"] == name);
            for version in list(theirs, "versions").iter().filter(|v| is_general(&v["version"])) {
                let ours = ours.unwrap_or_else(|| panic!("{name} is not served"));
                let same = list(ours, "versions").iter().find(|v| v["version"] == version["version"]).unwrap();
                assert_eq!(resources(same, "resource"), resources(version, "resource"), "{name}");
                assert_eq!(same["freshness"], "Current");
                compared += 1;
            }
        }
        assert!(compared > 15, "{compared} versions");
    });
}
