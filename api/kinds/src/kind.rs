//! What the server knows of a kind.

use crate::Strategy;
use podium_types::Timestamp;
use serde_json::Value;

/// Verbs of a kind that can be read and written in every way.
pub(crate) const ALL_VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/// Verbs of a subresource that is a part of its parent.
const PART_VERBS: &[&str] = &["get", "patch", "update"];

/// A served kind. One `static` per file in this crate.
pub struct Kind {
    /// API group, `""` for core.
    pub group: &'static str,
    /// Served versions, the storage version first.
    pub versions: &'static [&'static str],
    /// `Pod`
    pub kind: &'static str,
    /// `PodList`
    pub list_kind: &'static str,
    /// `pods`
    pub plural: &'static str,
    /// `pod`
    pub singular: &'static str,
    /// `po`
    pub short_names: &'static [&'static str],
    /// `all`
    pub categories: &'static [&'static str],
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Storage name: `pods`, `deployments.apps` (plural, dot, group).
    pub resource: &'static str,
    /// OpenAPI name of the type in the schema registry (`io.k8s.api.core.v1.Pod`).
    pub schema: &'static str,
    /// Verbs of the main resource, as discovery lists them.
    pub verbs: &'static [&'static str],
    /// Subresources, as discovery lists them.
    pub subresources: &'static [Subresource],
    /// Columns of `kubectl get`; those with priority > 0 appear with `-o wide`.
    pub columns: &'static [Column],
    /// The cells of one object, in the order of `columns`; `now` gives ages.
    pub row: Row,
    /// Field selectors beside `metadata.name` and `metadata.namespace`: the selector's name (also its JSON path).
    pub selectable: &'static [&'static str],
    /// The value of a selectable field; `None` where the plain JSON path does it.
    pub select: Option<fn(&Value, &str) -> String>,
    /// Whether a spec change bumps `metadata.generation`.
    pub generation: bool,
    /// Seconds of grace that deletion starts with when the client names none; `None`: deleted at once.
    pub graceful: Option<fn(&Value) -> i64>,
    /// Bytes are sealed at rest.
    pub sealed: bool,
    /// Not in the database: the backend makes the objects from the running system.
    pub live: bool,
    /// Default, prepare, validate.
    pub strategy: &'static dyn Strategy,
}

/// Renders the cells of one object.
pub type Row = fn(&Value, Timestamp) -> Vec<Value>;

/// A subresource such as `status` or `exec`.
pub struct Subresource {
    /// `status`
    pub name: &'static str,
    /// Kind of its body, where it is not the parent's (`Scale`).
    pub kind: &'static str,
    /// Group and version of that kind, where they differ from the parent's: `("autoscaling", "v1")`.
    pub group_version: Option<(&'static str, &'static str)>,
    /// Verbs in discovery.
    pub verbs: &'static [&'static str],
}

impl Subresource {
    /// A part of the parent, read and written as the parent's kind (`status`).
    pub const fn part(name: &'static str, kind: &'static str) -> Self {
        Self { name, kind, group_version: None, verbs: PART_VERBS }
    }
    /// `scale`, as autoscaling/v1 has it.
    pub const fn scale() -> Self {
        Self { name: "scale", kind: "Scale", group_version: Some(("autoscaling", "v1")), verbs: PART_VERBS }
    }
    /// An action with verbs of its own (`exec`).
    pub const fn action(name: &'static str, kind: &'static str, verbs: &'static [&'static str]) -> Self {
        Self { name, kind, group_version: None, verbs }
    }
    /// What passes requests on to the object, whatever they ask.
    pub const fn proxy(options: &'static str) -> Self {
        Self::action("proxy", options, &["create", "delete", "get", "patch", "update"])
    }
    /// The same, with a body of another group.
    pub const fn of_group(mut self, group: &'static str, version: &'static str) -> Self {
        self.group_version = Some((group, version));
        self
    }
}

/// A column of `kubectl get`.
pub struct Column {
    /// `Ready`
    pub name: &'static str,
    /// OpenAPI type: `string`, `integer`, `date`, …
    pub kind: &'static str,
    /// `name` for the name column, else empty.
    pub format: &'static str,
    /// 0 is always shown, 1 with `-o wide`.
    pub priority: i32,
}

impl Column {
    /// The object's name.
    pub const NAME: Self = Self { name: "Name", kind: "string", format: "name", priority: 0 };
    /// Time since the object was made.
    pub const AGE: Self = Self::text("Age");

    /// A column of strings.
    pub const fn text(name: &'static str) -> Self {
        Self { name, kind: "string", format: "", priority: 0 }
    }
    /// A column of integers.
    pub const fn integer(name: &'static str) -> Self {
        Self { name, kind: "integer", format: "", priority: 0 }
    }
    /// The same column, shown with `-o wide` only.
    pub const fn wide(mut self) -> Self {
        self.priority = 1;
        self
    }
}

impl Kind {
    /// What most kinds have: namespaced, every verb, name and age. A kind's file names what is different.
    pub(crate) const PLAIN: Self = Self {
        group: "",
        versions: &["v1"],
        kind: "",
        list_kind: "",
        plural: "",
        singular: "",
        short_names: &[],
        categories: &[],
        namespaced: true,
        resource: "",
        schema: "",
        verbs: ALL_VERBS,
        subresources: &[],
        columns: &[Column::NAME, Column::AGE],
        row: crate::cells::name_and_age,
        selectable: &[],
        select: None,
        generation: false,
        graceful: None,
        sealed: false,
        live: false,
        strategy: &crate::NoStrategy,
    };

    /// `v1` or `apps/v1`, of the storage version.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.versions[0].to_owned() } else { format!("{}/{}", self.group, self.versions[0]) }
    }
    /// What those who still use the kind are told.
    pub fn deprecation(&self) -> Option<&'static str> {
        match (self.api_version().as_str(), self.kind) {
            ("v1", "ComponentStatus") => Some("v1 ComponentStatus is deprecated in v1.19+"),
            ("v1", "Endpoints") => Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
            ("batch/v1beta1", "CronJob") => {
                Some("batch/v1beta1 CronJob is deprecated in v1.21+, unavailable in v1.25+; use batch/v1 CronJob")
            }
            _ => None,
        }
    }
    /// The subresource of that name.
    pub fn subresource(&self, name: &str) -> Option<&'static Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }
    /// The value that a field selector compares with; `None` where the kind has no such selector.
    ///
    /// Absent fields are `""`, as in Kubernetes.
    pub fn field(&self, object: &Value, selector: &str) -> Option<String> {
        let meta = matches!(selector, "metadata.name" | "metadata.namespace");
        if !meta && !self.selectable.contains(&selector) {
            return None;
        }
        Some(match self.select {
            Some(select) if !meta => select(object, selector),
            _ => crate::json::plain(crate::json::at(object, selector)),
        })
    }
}
