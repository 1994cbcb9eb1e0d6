//! One policy rule, and whether it allows what somebody asks for.

use serde_json::{Value, json};

/// Stands for every verb, group, resource or path.
pub(super) const ALL: &str = "*";

/// What somebody wants to do: with a resource, or at a path that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask<'a> {
    /// A request for a resource.
    Resource {
        /// `list`
        verb: &'a str,
        /// API group, `""` for core.
        group: &'a str,
        /// `pods`
        resource: &'a str,
        /// `log`, or empty.
        subresource: &'a str,
        /// Name of the object, or empty.
        name: &'a str,
    },
    /// A request for anything else.
    Path {
        /// `get`
        verb: &'a str,
        /// `/metrics`
        path: &'a str,
    },
}

/// A PolicyRule.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// `apiGroups`
    pub groups: Vec<String>,
    /// `resources`
    pub resources: Vec<String>,
    /// `nonResourceURLs`
    pub urls: Vec<String>,
    /// `resourceNames`; empty: every name.
    pub names: Vec<String>,
    /// `verbs`
    pub verbs: Vec<String>,
}

impl Rule {
    /// Everything: all resources, and all paths.
    pub fn everything() -> [Self; 2] {
        let all = || vec![ALL.to_owned()];
        [
            Self { verbs: all(), groups: all(), resources: all(), ..Self::default() },
            Self { verbs: all(), urls: all(), ..Self::default() },
        ]
    }
    /// From a PolicyRule in JSON; what is no text is passed over.
    pub fn parse(rule: &Value) -> Self {
        let list = |field: &str| {
            let list = rule[field].as_array().into_iter().flatten();
            list.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            groups: list("apiGroups"),
            resources: list("resources"),
            urls: list("nonResourceURLs"),
            names: list("resourceNames"),
            verbs: list("verbs"),
        }
    }
    /// The rules of a role in JSON.
    pub fn parse_all(role: &Value) -> Vec<Self> {
        role["rules"].as_array().into_iter().flatten().map(Self::parse).collect()
    }
    /// As a PolicyRule in JSON.
    pub fn value(&self) -> Value {
        let mut value = json!({"verbs": self.verbs});
        let lists = [
            ("apiGroups", &self.groups),
            ("resources", &self.resources),
            ("resourceNames", &self.names),
            ("nonResourceURLs", &self.urls),
        ];
        for (field, list) in lists {
            if !list.is_empty() {
                value[field] = json!(list);
            }
        }
        value
    }
    /// Whether the rule allows it.
    pub fn allows(&self, ask: &Ask<'_>) -> bool {
        match *ask {
            Ask::Resource { verb, group, resource, subresource, name } => {
                holds(&self.verbs, verb)
                    && holds(&self.groups, group)
                    && self.resources.iter().any(|r| selects(r, resource, subresource))
                    && (self.names.is_empty() || self.names.iter().any(|n| n == name))
            }
            Ask::Path { verb, path } => holds(&self.verbs, verb) && self.urls.iter().any(|url| reaches(url, path)),
        }
    }
    /// In the words of refusals: `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get"]}`.
    pub fn describe(&self) -> String {
        let lists = [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.urls),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ];
        let parts: Vec<String> = lists
            .iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(name, list)| {
                let quoted: Vec<String> = list.iter().map(|word| format!("{word:?}")).collect();
                format!("{name}:[{}]", quoted.join(" "))
            })
            .collect();
        format!("{{{}}}", parts.join(", "))
    }
}

/// Whether a list of verbs or groups has `word`.
pub(super) fn holds(list: &[String], word: &str) -> bool {
    list.iter().any(|w| w == ALL || w == word)
}

/// Whether `*`, `pods`, `pods/log` or `*/scale` selects a resource.
fn selects(selector: &str, resource: &str, subresource: &str) -> bool {
    if selector == ALL {
        return true;
    }
    match selector.split_once('/') {
        None => subresource.is_empty() && selector == resource,
        Some((main, sub)) => !subresource.is_empty() && sub == subresource && (main == ALL || main == resource),
    }
}

/// Whether a nonResourceURL, which may end in `*`, is that of `path`.
pub(super) fn reaches(url: &str, path: &str) -> bool {
    url == path || url.ends_with(ALL) && path.starts_with(url.trim_end_matches(ALL))
}
