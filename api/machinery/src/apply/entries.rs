//! `metadata.managedFields`: one entry per manager, operation, version and subresource.

use super::{
    Manager,
    compare::Change,
    set::{self, Set},
};
use podium_types::{ApiError, meta};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Entries of updates beyond which the oldest are joined.
const MAX_UPDATES: usize = 10;
/// Who owns what the joined entries did.
const ANCIENT: &str = "ancient-changes";
const FIELDS_TYPE: &str = "FieldsV1";

/// How a manager writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// It says all that it wants, and nothing else.
    Apply,
    /// It changes something.
    #[default]
    Update,
}

impl Operation {
    fn word(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// One manager's fields.
pub(super) struct Entry {
    operation: Operation,
    time: String,
    manager: String,
    api_version: String,
    subresource: String,
    pub(super) fields: Set,
}

impl Entry {
    fn new(by: &Manager<'_>, fields: Set) -> Self {
        Self {
            operation: by.operation,
            time: by.now.to_owned(),
            manager: by.name.to_owned(),
            api_version: by.api_version.to_owned(),
            subresource: by.subresource.to_owned(),
            fields,
        }
    }
    fn read(value: Value) -> Option<Self> {
        let Value::Object(mut map) = value else { return None };
        let mut text = |name: &str| match map.remove(name) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let operation = match text("operation").as_str() {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        let (time, manager) = (text("time"), text("manager"));
        let (api_version, subresource) = (text("apiVersion"), text("subresource"));
        let Some(Value::Object(fields)) = map.remove("fieldsV1") else { return None };
        Some(Self { operation, time, manager, api_version, subresource, fields })
    }
    fn write(self) -> Value {
        let mut made = Map::new();
        let texts = [
            ("apiVersion", self.api_version),
            ("fieldsType", FIELDS_TYPE.to_owned()),
            ("manager", self.manager),
            ("operation", self.operation.word().to_owned()),
            ("subresource", self.subresource),
            ("time", self.time),
        ];
        made.extend(texts.into_iter().filter(|(_, t)| !t.is_empty()).map(|(n, t)| (n.to_owned(), Value::String(t))));
        made.insert("fieldsV1".into(), Value::Object(self.fields));
        Value::Object(made)
    }
    /// Whether it is the manager's own. Who applies may change the version.
    pub(super) fn is_of(&self, by: &Manager<'_>) -> bool {
        self.operation == by.operation
            && self.manager == by.name
            && self.subresource == by.subresource
            && (by.operation == Operation::Apply || self.api_version == by.api_version)
    }
    /// The order in which they are stored; those that update stand together, the oldest first.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        (self.operation.cmp(&other.operation))
            .then_with(|| self.time.cmp(&other.time))
            .then_with(|| self.manager.cmp(&other.manager))
            .then_with(|| self.api_version.cmp(&other.api_version))
            .then_with(|| self.subresource.cmp(&other.subresource))
    }
    /// As messages name it.
    fn title(&self) -> String {
        let mut title = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            title.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            title.push_str(&format!(" using {}", self.api_version));
        }
        title
    }
}

/// Whether an entry that a client sent can be stored.
pub(super) fn is_sound(entry: &Value) -> bool {
    let known = matches!(entry["operation"].as_str(), Some("Apply" | "Update"));
    let typed = matches!(entry["fieldsType"].as_str(), Some(FIELDS_TYPE));
    known && typed && entry["fieldsV1"].is_object() && entry["apiVersion"].is_string()
}

/// What another manager has and this write would change.
pub(super) struct Conflict {
    title: String,
    path: String,
}

impl Conflict {
    /// 409 with a cause per field.
    pub(super) fn refusal(conflicts: &[Self]) -> ApiError {
        let message = if let [one] = conflicts {
            format!("Apply failed with 1 conflict: conflict with {}: {}", one.title, one.path)
        } else {
            let mut paths: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for conflict in conflicts {
                paths.entry(&conflict.title).or_default().push(&conflict.path);
            }
            let told = paths.iter().map(|(title, paths)| format!("conflicts with {title}:\n- {}", paths.join("\n- ")));
            let told = told.collect::<Vec<_>>().join("\n");
            format!("Apply failed with {} conflicts: {told}", conflicts.len())
        };
        let cause = |c: &Self| json!({"reason": "FieldManagerConflict", "message": format!("conflict with {}", c.title), "field": c.path});
        let causes: Vec<Value> = conflicts.iter().map(cause).collect();
        ApiError { details: Some(json!({"causes": causes})), ..ApiError::new(409, "Conflict", message) }
    }
}

/// All entries of an object.
#[derive(Default)]
pub(super) struct Entries(Vec<Entry>);

impl Entries {
    /// Takes them out of an object; what cannot be read is left behind.
    pub(super) fn take(object: &mut Value) -> Self {
        match meta::metadata_mut(object).remove("managedFields") {
            Some(Value::Array(list)) => Self(list.into_iter().filter_map(Entry::read).collect()),
            _ => Self::default(),
        }
    }
    /// Puts them into an object.
    pub(super) fn store(mut self, object: &mut Value) {
        self.0.retain(|entry| !entry.fields.is_empty());
        self.0.sort_by(Entry::order);
        self.join_oldest();
        if !self.0.is_empty() {
            let list = self.0.into_iter().map(Entry::write).collect();
            meta::metadata_mut(object).insert("managedFields".into(), Value::Array(list));
        }
    }
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }
    /// What the others have of the changed fields.
    pub(super) fn conflicts(&self, by: &Manager<'_>, change: &Change) -> Vec<Conflict> {
        let mut found = Vec::new();
        for entry in self.0.iter().filter(|e| !e.is_of(by)) {
            let mut paths = Vec::new();
            set::common(&entry.fields, &change.changed, "", &mut paths);
            found.extend(paths.into_iter().map(|path| Conflict { title: entry.title(), path }));
        }
        found
    }
    /// The others lose what was changed, and all lose what was removed.
    pub(super) fn lose(&mut self, by: &Manager<'_>, change: &Change) {
        for entry in &mut self.0 {
            if !entry.is_of(by) {
                set::subtract(&mut entry.fields, &change.changed);
            }
            set::subtract(&mut entry.fields, &change.removed);
        }
    }
    /// The manager has what was changed, beside what it had.
    pub(super) fn gain(&mut self, by: &Manager<'_>, change: &Change) {
        match self.0.iter_mut().find(|e| e.is_of(by)) {
            Some(own) => set::unite(&mut own.fields, &change.changed),
            None => self.0.push(Entry::new(by, change.changed.clone())),
        }
    }
    /// The manager wrote now.
    pub(super) fn touch(&mut self, by: &Manager<'_>) {
        if let Some(own) = self.0.iter_mut().find(|e| e.is_of(by)) {
            by.now.clone_into(&mut own.time);
        }
    }
    /// The manager has these fields and no others.
    pub(super) fn replace(&mut self, by: &Manager<'_>, fields: Set) {
        match self.0.iter_mut().find(|e| e.is_of(by)) {
            Some(own) => {
                by.api_version.clone_into(&mut own.api_version);
                own.fields = fields;
            }
            None => self.0.push(Entry::new(by, fields)),
        }
    }
    /// Keeps the list short: every writer would leave an entry for ever.
    fn join_oldest(&mut self) {
        let Some(first) = self.0.iter().position(|e| e.operation == Operation::Update) else { return };
        while self.0.len() - first > MAX_UPDATES {
            let old = self.0.remove(first);
            let Some(heir) = self.0.get_mut(first) else { return };
            set::unite(&mut heir.fields, &old.fields);
            ANCIENT.clone_into(&mut heir.manager);
            heir.subresource.clear();
        }
    }
}
