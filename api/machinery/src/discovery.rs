//! Discovery documents: what the server serves, from the KINDS table.
//!
//! The legacy form (`APIVersions`, `APIGroupList`, `APIGroup`, `APIResourceList`) and the
//! aggregated one (`apidiscovery.k8s.io/v2`, KEP-3352).

use podium_kinds::{FACES, Face, KINDS, Kind, Subresource};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A resource that is no stored kind: a review that is created and answered at once.
pub struct Virtual {
    /// API group, `""` for core.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// `selfsubjectreviews`
    pub plural: &'static str,
    /// `selfsubjectreview`
    pub singular: &'static str,
    /// `SelfSubjectReview`
    pub kind: &'static str,
    /// Whether the path names a namespace.
    pub namespaced: bool,
    /// Verbs.
    pub verbs: &'static [&'static str],
}

/// Resources of core that are not stored, which every server has.
pub static CORE: &[Virtual] = &[
    Virtual {
        group: "",
        version: "v1",
        plural: "bindings",
        singular: "binding",
        kind: "Binding",
        namespaced: true,
        verbs: &["create"],
    },
    Virtual {
        group: "",
        version: "v1",
        plural: "componentstatuses",
        singular: "componentstatus",
        kind: "ComponentStatus",
        namespaced: false,
        verbs: &["get", "list"],
    },
];

/// The virtual resources of a group and version.
fn virtuals_of<'a>(
    virtuals: &'a [Virtual],
    group: &'a str,
    version: &'a str,
) -> impl Iterator<Item = &'a Virtual> + 'a {
    virtuals.iter().chain(CORE).filter(move |v| v.group == group && v.version == version)
}

/// `cs`
fn short_names(of: &Virtual, made: &mut Value) {
    if of.plural == "componentstatuses" {
        made["shortNames"] = json!(["cs"]);
    }
}

/// `/api`. `address` is where clients reach the server (`10.0.0.1:6443`).
pub fn versions(address: &str) -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]})
}

/// `/apis`: every named group.
pub fn groups(virtuals: &[Virtual]) -> Value {
    let list: Vec<Value> =
        names(virtuals).into_iter().filter(|g| !g.is_empty()).filter_map(|g| bare_group(g, virtuals)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": list})
}

/// `/apis/{group}`; `None` where nothing of the group is served.
pub fn group(name: &str, virtuals: &[Virtual]) -> Option<Value> {
    let mut group = bare_group(name, virtuals)?;
    group["kind"] = json!("APIGroup");
    group["apiVersion"] = json!("v1");
    Some(group)
}

/// `/api/v1` or `/apis/{group}/{version}`; `None` where nothing of it is served.
pub fn resources(group: &str, version: &str, virtuals: &[Virtual]) -> Option<Value> {
    let mut list = Vec::new();
    for kind in kinds(group, version) {
        list.push(resource(kind));
        list.extend(kind.subresources.iter().map(|sub| subresource(kind, sub)));
    }
    for v in virtuals_of(virtuals, group, version) {
        let mut made = json!({"name": v.plural, "singularName": v.singular, "namespaced": v.namespaced,
            "kind": v.kind, "verbs": v.verbs});
        short_names(v, &mut made);
        list.push(made);
    }
    if list.is_empty() {
        return None;
    }
    list.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version(group, version),
        "resources": list}))
}

/// The aggregated document: of core for `/api`, of the named groups for `/apis`.
pub fn aggregated(core: bool, virtuals: &[Virtual]) -> Value {
    let items: Vec<Value> = names(virtuals)
        .into_iter()
        .filter(|g| g.is_empty() == core)
        .map(|group| {
            let versions: Vec<Value> = versions_of(group, virtuals)
                .into_iter()
                .map(|version| {
                    let mut list: Vec<Value> = kinds(group, version).map(aggregated_resource).collect();
                    list.extend(virtuals_of(virtuals, group, version).map(|v| {
                        let mut made = json!({"resource": v.plural, "responseKind": response_kind("", "", v.kind),
                            "scope": scope(v.namespaced), "singularResource": v.singular, "verbs": v.verbs});
                        short_names(v, &mut made);
                        made
                    }));
                    list.sort_by(|a, b| a["resource"].as_str().cmp(&b["resource"].as_str()));
                    json!({"version": version, "freshness": "Current", "resources": list})
                })
                .collect();
            let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

/// `v1` or `apps/v1`.
pub fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// Every group and version that is served, core first.
pub fn group_versions(virtuals: &[Virtual]) -> Vec<(&'static str, &'static str)> {
    names(virtuals).into_iter().flat_map(|g| versions_of(g, virtuals).into_iter().map(move |v| (g, v))).collect()
}

/// Every kind as clients see it: the stored ones, then the other faces of some.
pub(crate) fn served() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().copied().chain(FACES.iter().map(|f| f.shown))
}

/// The kinds of a group and version.
pub fn kinds<'a>(group: &'a str, version: &'a str) -> impl Iterator<Item = &'static Kind> + 'a {
    served().filter(move |k| k.group == group && k.versions.contains(&version))
}

/// Groups in the order in which they first appear, core first.
fn names(virtuals: &[Virtual]) -> Vec<&'static str> {
    let mut names = vec![""];
    for name in served().map(|k| k.group).chain(virtuals.iter().map(|v| v.group)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn versions_of(group: &str, virtuals: &[Virtual]) -> Vec<&'static str> {
    let of_kinds = served().filter(|k| k.group == group).flat_map(|k| k.versions.iter().copied());
    let of_virtuals = virtuals.iter().filter(|v| v.group == group).map(|v| v.version);
    let mut versions = Vec::new();
    for version in of_kinds.chain(of_virtuals) {
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    versions
}

fn bare_group(name: &str, virtuals: &[Virtual]) -> Option<Value> {
    let versions: Vec<Value> = versions_of(name, virtuals)
        .into_iter()
        .map(|v| json!({"groupVersion": group_version(name, v), "version": v}))
        .collect();
    let preferred = versions.first()?.clone();
    Some(json!({"name": name, "versions": versions, "preferredVersion": preferred}))
}

fn resource(kind: &Kind) -> Value {
    let mut made = json!({"name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced,
        "kind": kind.kind, "verbs": kind.verbs});
    if !kind.live {
        made["storageVersionHash"] = json!(storage_version_hash(kind));
    }
    names_of(kind, &mut made);
    made
}

fn names_of(kind: &Kind, made: &mut Value) {
    if !kind.short_names.is_empty() {
        made["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        made["categories"] = json!(kind.categories);
    }
}

/// What Kubernetes still stores in a version that it does not serve; clients that compare hashes see the same.
const STORED_AS_V1BETA1: &[&str] =
    &["mutatingadmissionpolicies", "mutatingadmissionpolicybindings", "customresourcedefinitions"];

/// Tells clients that the stored version changed: the hash that kube-apiserver makes.
fn storage_version_hash(kind: &Kind) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let kind = Face::of(kind).map_or(kind, |f| f.stored);
    let version = if STORED_AS_V1BETA1.contains(&kind.plural) { "v1beta1" } else { kind.versions[0] };
    let stored = format!("{}/{version}/{}", kind.group, kind.kind);
    STANDARD.encode(&Sha256::digest(stored.as_bytes())[..8])
}

fn subresource(kind: &Kind, sub: &Subresource) -> Value {
    let mut made = json!({"name": format!("{}/{}", kind.plural, sub.name), "singularName": "",
        "namespaced": kind.namespaced, "kind": sub.kind, "verbs": sub.verbs});
    if let Some((group, version)) = sub.group_version {
        made["group"] = json!(group);
        made["version"] = json!(version);
    }
    made
}

fn response_kind(group: &str, version: &str, kind: &str) -> Value {
    json!({"group": group, "version": version, "kind": kind})
}

const fn scope(namespaced: bool) -> &'static str {
    if namespaced { "Namespaced" } else { "Cluster" }
}

fn aggregated_resource(kind: &'static Kind) -> Value {
    let mut made = json!({"resource": kind.plural, "responseKind": response_kind("", "", kind.kind),
        "scope": scope(kind.namespaced), "singularResource": kind.singular, "verbs": kind.verbs});
    names_of(kind, &mut made);
    let mut subs: Vec<&Subresource> = kind.subresources.iter().collect();
    subs.sort_by_key(|s| s.name);
    if !subs.is_empty() {
        made["subresources"] = subs
            .into_iter()
            .map(|s| {
                let (group, version) = s.group_version.unwrap_or_default();
                json!({"subresource": s.name, "responseKind": response_kind(group, version, s.kind),
                    "verbs": s.verbs})
            })
            .collect();
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::PathBuf};

    const REVIEWS: &[Virtual] = &[Virtual {
        group: "authentication.k8s.io",
        version: "v1",
        plural: "selfsubjectreviews",
        singular: "selfsubjectreview",
        kind: "SelfSubjectReview",
        namespaced: false,
        verbs: &["create"],
    }];

    fn oracle(name: &str) -> Option<Value> {
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/kubernetes-v1.36/discovery").join(name);
        let text = fs::read(path).ok();
        if text.is_none() {
            println!("skipped: the oracle {name} is not here");
        }
        text.map(|t| serde_json::from_slice(&t).expect("the oracle is JSON"))
    }

    /// Every group that we serve is described as kube-apiserver describes it.
    #[test]
    fn resources_are_described_as_kubernetes_does() {
        for (group, version) in group_versions(&[]) {
            let file = if group.is_empty() {
                format!("api__{version}.json")
            } else {
                format!("apis__{group}__{version}.json")
            };
            // Ours alone, what an add-on serves, and a version that Kubernetes no longer serves.
            if group.ends_with("podium.dev") || group == "metrics.k8s.io" || (group, version) == ("batch", "v1beta1") {
                continue;
            }
            let Some(theirs) = oracle(&file) else { return };
            let ours = resources(group, version, &[]).expect("a served group");
            assert_eq!(ours["resources"], theirs["resources"], "{group}/{version}");
        }
    }

    #[test]
    fn aggregated_discovery_is_the_same_list() {
        for core in [true, false] {
            let document = aggregated(core, REVIEWS);
            for group in document["items"].as_array().into_iter().flatten() {
                let name = group["metadata"]["name"].as_str().unwrap_or_default();
                for version in group["versions"].as_array().into_iter().flatten() {
                    let legacy =
                        resources(name, version["version"].as_str().unwrap_or_default(), REVIEWS).expect("served");
                    let subs: usize = version["resources"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .map(|r| 1 + r["subresources"].as_array().map_or(0, Vec::len))
                        .sum();
                    assert_eq!(legacy["resources"].as_array().map(Vec::len), Some(subs), "{name}");
                }
            }
        }
        let Some(theirs) = oracle("aggregated_v2.json") else { return };
        let ours = aggregated(false, REVIEWS);
        let find = |document: &Value, group: &str, resource: &str| {
            let groups = document["items"].as_array().cloned().unwrap_or_default();
            let group = groups.into_iter().find(|g| g["metadata"]["name"] == group)?;
            let list = group["versions"][0]["resources"].as_array().cloned()?;
            list.into_iter().find(|r| r["resource"] == resource)
        };
        for (group, resource) in [("apps", "deployments"), ("authentication.k8s.io", "selfsubjectreviews")] {
            assert_eq!(find(&ours, group, resource), find(&theirs, group, resource), "{group} {resource}");
        }
    }

    #[test]
    fn groups_are_listed_with_their_preferred_version() {
        let list = groups(REVIEWS);
        let names: Vec<&str> =
            list["groups"].as_array().into_iter().flatten().filter_map(|g| g["name"].as_str()).collect();
        assert!(names.contains(&"apps") && names.contains(&"authentication.k8s.io") && !names.contains(&""));
        assert_eq!(group("apps", &[]).map(|g| g["preferredVersion"]["groupVersion"].clone()), Some(json!("apps/v1")));
        assert_eq!((group("nothing", &[]), resources("apps", "v9", &[])), (None, None));
        assert_eq!(versions("1.2.3.4:6443")["versions"], json!(["v1"]));
    }
}
