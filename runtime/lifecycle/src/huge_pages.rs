//! Huge pages: how many of each size a container may have, and of which size a volume is made. As the kubelet reads
//! requests (`hugepages-2Mi`) and media (`HugePages`, `HugePages-2Mi`).

use crate::resources::amount;
use k8s_openapi::api::core::v1::{Pod, ResourceRequirements};
use podium_types::Quantity;
use std::collections::BTreeSet;

/// Resources of huge pages begin so.
pub const PREFIX: &str = "hugepages-";
/// A medium that leaves the size to the pod's requests.
const MEDIUM: &str = "HugePages";

/// A limit of one size: the size as cgroups call it (`2MB`), and bytes.
pub type Limit = (String, u64);

/// What a container may use of each size that the node has: nothing of those it does not name.
pub fn container<'a>(
    resources: Option<&ResourceRequirements>,
    node: impl IntoIterator<Item = &'a String>,
) -> Vec<Limit> {
    let limits = resources.and_then(|r| r.limits.as_ref());
    every(node, |name| amount(limits, name).map_or(0, |q| q.value()))
}

/// What all containers of a pod may use together.
pub fn pod<'a>(pod: &Pod, node: impl IntoIterator<Item = &'a String>) -> Vec<Limit> {
    every(node, |name| crate::resources::request(pod, name))
}

fn every<'a>(node: impl IntoIterator<Item = &'a String>, bytes: impl Fn(&str) -> i64) -> Vec<Limit> {
    let sizes = node.into_iter().filter_map(|name| Some((name, page_bytes(name.strip_prefix(PREFIX)?)?)));
    sizes.map(|(name, size)| (cgroup_name(size), u64::try_from(bytes(name)).unwrap_or(0))).collect()
}

/// `2MB`, `1GB`, `64KB`: the kernel's units are powers of 1024.
fn cgroup_name(bytes: u64) -> String {
    match bytes {
        b if b >= 1 << 30 && b.is_multiple_of(1 << 30) => format!("{}GB", b >> 30),
        b if b >= 1 << 20 && b.is_multiple_of(1 << 20) => format!("{}MB", b >> 20),
        b => format!("{}KB", b >> 10),
    }
}

fn page_bytes(size: &str) -> Option<u64> {
    let bytes = Quantity::parse(size).ok()?.value();
    u64::try_from(bytes).ok().filter(|bytes| *bytes > 0)
}

/// Bytes of a page of a volume on this medium; None where the medium is no huge pages.
pub fn of_medium(pod: &Pod, medium: &str) -> Option<Result<u64, String>> {
    let rest = medium.strip_prefix(MEDIUM)?;
    if let Some(size) = rest.strip_prefix('-') {
        let asked = asked(pod).iter().any(|name| name.strip_prefix(PREFIX) == Some(size));
        let bytes = page_bytes(size).ok_or_else(|| format!("cannot parse the page size of medium {medium:?}"));
        let without = || format!("medium {medium:?}: no container of the pod asks for {PREFIX}{size}");
        return Some(if asked { bytes } else { Err(without()) });
    }
    if !rest.is_empty() {
        return None;
    }
    let sizes = asked(pod);
    let mut sizes = sizes.iter().filter_map(|name| page_bytes(name.strip_prefix(PREFIX)?));
    Some(match (sizes.next(), sizes.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(format!("medium {medium:?}: the pod asks for no huge pages")),
        _ => Err(format!("medium {medium:?} needs a size: the pod asks for huge pages of several")),
    })
}

/// Names of the sizes that the pod's containers ask for.
fn asked(pod: &Pod) -> BTreeSet<&String> {
    let Some(spec) = &pod.spec else { return BTreeSet::new() };
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let resources = containers.filter_map(|c| c.resources.as_ref()).chain(&spec.resources);
    let names = resources.flat_map(|r| [&r.requests, &r.limits].into_iter().flatten().flat_map(|map| map.keys()));
    names.filter(|name| name.starts_with(PREFIX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asking(limits: serde_json::Value) -> Pod {
        let containers = json!([{ "name": "a", "resources": { "limits": limits } }]);
        serde_json::from_value(json!({ "spec": { "containers": containers } })).expect("a pod")
    }

    #[test]
    fn what_is_not_asked_for_is_not_given() {
        let node = ["cpu", "hugepages-1Gi", "hugepages-2Mi", "hugepages-64Ki"].map(str::to_owned);
        let two = asking(json!({ "hugepages-2Mi": "6Mi", "cpu": "1" }));
        let expected = [("1GB", 0), ("2MB", 6 << 20), ("64KB", 0)].map(|(name, bytes)| (name.to_owned(), bytes));
        assert_eq!(pod(&two, &node), expected);
        let resources = two.spec.as_ref().and_then(|s| s.containers[0].resources.clone());
        assert_eq!(container(resources.as_ref(), &node), expected);
        assert_eq!(container(None, &node[..1]), []);
    }

    #[test]
    fn a_medium_names_its_size_or_the_pod_does() {
        let one = json!({ "hugepages-2Mi": "4Mi" });
        let both = json!({ "hugepages-2Mi": "4Mi", "hugepages-1Gi": "1Gi" });
        for (limits, medium, expected) in [
            (&one, "", None),
            (&one, "Memory", None),
            (&one, "HugePagesful", None),
            (&one, "HugePages", Some(Ok(2 << 20))),
            (&one, "HugePages-2Mi", Some(Ok(2 << 20))),
            (&one, "HugePages-1Gi", Some(Err("no container"))),
            (&both, "HugePages", Some(Err("needs a size"))),
            (&both, "HugePages-1Gi", Some(Ok(1 << 30))),
            (&json!({}), "HugePages", Some(Err("no huge pages"))),
        ] {
            let found = of_medium(&asking(limits.clone()), medium);
            let same = match (&found, &expected) {
                (Some(Err(found)), Some(Err(words))) => found.contains(words),
                (Some(Ok(a)), Some(Ok(b))) => a == b,
                (None, None) => true,
                _ => false,
            };
            assert!(same, "{medium} {limits}: {found:?}");
        }
    }
}
