//! The pod that checks look at, and the words that they share.

use serde_json::Value;
use std::collections::BTreeSet;

static NOTHING: Value = Value::Null;

/// A pod, or what a template makes.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) metadata: &'a Value,
    pub(super) spec: &'a Value,
}

/// What was forbidden, and who did it.
pub(super) struct Violation {
    pub(super) reason: &'static str,
    pub(super) detail: String,
}

/// A violation, where there is a detail of it.
pub(super) fn violation(reason: &'static str, detail: Option<String>) -> Option<Violation> {
    detail.map(|detail| Violation { reason, detail })
}

impl<'a> Subject<'a> {
    /// Every container: those that go first, the usual ones, those added to a running pod.
    pub(super) fn containers(self) -> impl Iterator<Item = &'a Value> {
        let lists = ["initContainers", "containers", "ephemeralContainers"];
        lists.into_iter().filter_map(move |list| self.spec[list].as_array()).flatten()
    }
    /// The names of the containers that a test holds for.
    pub(super) fn those(self, test: impl Fn(&'a Value) -> bool) -> Vec<&'a str> {
        self.containers().filter(|c| test(c)).map(|c| c["name"].as_str().unwrap_or_default()).collect()
    }
    /// The security context of the pod, then those of its containers.
    pub(super) fn contexts(self) -> impl Iterator<Item = &'a Value> {
        [&self.spec["securityContext"]].into_iter().chain(self.containers().map(context))
    }
    /// The pod and its containers whose security contexts a test holds for: `pod and container "c"`.
    pub(super) fn setters(self, test: impl Fn(&Value) -> bool) -> Option<String> {
        let pod = test(&self.spec["securityContext"]).then(|| "pod".to_owned());
        let containers = self.those(|c| test(context(c)));
        let containers = (!containers.is_empty()).then(|| named(&containers));
        let all: Vec<String> = pod.into_iter().chain(containers).collect();
        (!all.is_empty()).then(|| all.join(" and "))
    }
    /// Whether root of the pod is nobody on its node.
    pub(super) fn has_own_users(self) -> bool {
        self.spec["hostUsers"] == false
    }
    /// Whether the pod is for Windows, where much does not exist.
    pub(super) fn is_windows(self) -> bool {
        self.spec["os"]["name"] == "windows"
    }
}

/// The security context of a container.
pub(super) fn context(container: &Value) -> &Value {
    container.get("securityContext").unwrap_or(&NOTHING)
}

/// The strings of a list.
pub(super) fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// `"a", "b"`
pub(super) fn quoted<'b>(words: impl IntoIterator<Item = &'b str>) -> String {
    words.into_iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
}

/// The one word or the other, by how many there are.
pub(super) fn plural(count: usize, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}

/// `container "c"`, `containers "a", "b"`
pub(super) fn named(containers: &[&str]) -> String {
    format!("{} {}", plural(containers.len(), "container", "containers"), quoted(containers.iter().copied()))
}

/// The same, with what they must do or not; nothing where there are none.
pub(super) fn must(containers: &[&str], what: &str) -> Option<String> {
    (!containers.is_empty()).then(|| format!("{} must {what}", named(containers)))
}

/// Things that stand once each, in order.
pub(super) type Sorted<'a> = BTreeSet<&'a str>;
