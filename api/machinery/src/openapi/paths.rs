//! Paths and operations of a kind.

use super::{Dialect, META, body_of};
use crate::discovery::{Virtual, group_version};
use podium_kinds::{Kind, Subresource};
use serde_json::{Map, Value, json};

const PATCHES: &[&str] = &[
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];
const MEDIA: &[&str] = &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const STRING: &str = "string";

/// Query parameters of a verb: name and type.
fn query(verb: &str) -> &'static [(&'static str, &'static str)] {
    const WRITE: &[(&str, &str)] = &[("dryRun", STRING), ("fieldManager", STRING), ("fieldValidation", STRING)];
    const PATCH: &[(&str, &str)] =
        &[("dryRun", STRING), ("fieldManager", STRING), ("fieldValidation", STRING), ("force", "boolean")];
    const DELETE: &[(&str, &str)] = &[
        ("dryRun", STRING),
        ("gracePeriodSeconds", "integer"),
        ("orphanDependents", "boolean"),
        ("propagationPolicy", STRING),
    ];
    const LIST: &[(&str, &str)] = &[
        ("allowWatchBookmarks", "boolean"),
        ("continue", STRING),
        ("fieldSelector", STRING),
        ("labelSelector", STRING),
        ("limit", "integer"),
        ("resourceVersion", STRING),
        ("resourceVersionMatch", STRING),
        ("sendInitialEvents", "boolean"),
        ("timeoutSeconds", "integer"),
        ("watch", "boolean"),
    ];
    match verb {
        "create" | "update" => WRITE,
        "patch" => PATCH,
        "delete" => DELETE,
        "list" | "deletecollection" => LIST,
        _ => &[],
    }
}

/// HTTP method, and the word of `x-kubernetes-action`.
fn method(verb: &str) -> Option<(&'static str, &'static str)> {
    Some(match verb {
        "get" => ("get", "get"),
        "list" => ("get", "list"),
        "create" => ("post", "post"),
        "update" => ("put", "put"),
        "patch" => ("patch", "patch"),
        "delete" => ("delete", "delete"),
        "deletecollection" => ("delete", "deletecollection"),
        _ => return None,
    })
}

/// What an operation is about.
struct Target<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
    /// Type of bodies and answers.
    body: &'a str,
    /// Type of the answer to a list.
    list: &'a str,
    /// `AppsV1NamespacedDeployment`, what operation ids end with.
    id: String,
    /// `apps_v1`
    tag: String,
}

/// Adds the paths of a kind and names the types that they speak of.
pub(super) fn of_kind(paths: &mut Map<String, Value>, dialect: Dialect, kind: &Kind, version: &str) -> Vec<String> {
    let body = body_of(kind.group, version, kind.kind).unwrap_or(kind.schema);
    let list = format!("{body}List");
    let scope = if kind.namespaced { "Namespaced" } else { "" };
    let label = label(kind.group, version);
    let (id, tag) = (format!("{label}{scope}{}", kind.kind), tag(kind.group, version));
    let target = Target { group: kind.group, version, kind: kind.kind, body, list: &list, id, tag };
    let place = place(kind.group, version, kind.namespaced, kind.plural);
    let has = |verb: &&str| kind.verbs.contains(verb);
    let collection: Vec<&str> = ["list", "create", "deletecollection"].into_iter().filter(has).collect();
    let single: Vec<&str> = ["get", "update", "patch", "delete"].into_iter().filter(has).collect();
    add(paths, dialect, &place, &collection, &target);
    add(paths, dialect, &format!("{place}/{{name}}"), &single, &target);
    if kind.namespaced {
        let all = Target { id: format!("{label}{}ForAllNamespaces", kind.kind), tag: target.tag.clone(), ..target };
        add(paths, dialect, &self::place(kind.group, version, false, kind.plural), &["list"], &all);
    }
    let mut names = vec![body.to_owned(), list.clone()];
    names.extend(["DeleteOptions", "Status", "Patch"].map(|n| format!("{META}.{n}")));
    for sub in kind.subresources {
        names.extend(of_subresource(paths, dialect, kind, version, sub, &place));
    }
    names
}

/// Adds the paths of a resource that is not stored and names the types that they speak of.
pub(super) fn of_virtual(paths: &mut Map<String, Value>, dialect: Dialect, of: &Virtual) -> Vec<String> {
    let Virtual { group, version, kind, plural, namespaced, verbs, .. } = *of;
    let Some(body) = body_of(group, version, kind) else { return Vec::new() };
    let list = format!("{body}List");
    let scope = if namespaced { "Namespaced" } else { "" };
    let (id, tag) = (format!("{}{scope}{kind}", label(group, version)), tag(group, version));
    let target = Target { group, version, kind, body, list: &list, id, tag };
    let place = place(group, version, namespaced, plural);
    let (single, collection): (Vec<&str>, Vec<&str>) = verbs.iter().partition(|verb| **verb == "get");
    add(paths, dialect, &place, &collection, &target);
    add(paths, dialect, &format!("{place}/{{name}}"), &single, &target);
    let listed = collection.contains(&"list").then(|| list.clone());
    listed.into_iter().chain([body.to_owned(), format!("{META}.Status")]).collect()
}

/// The path of a collection.
fn place(group: &str, version: &str, namespaced: bool, plural: &str) -> String {
    let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
    if namespaced { format!("{root}/namespaces/{{namespace}}/{plural}") } else { format!("{root}/{plural}") }
}

/// `core_v1`, `apps_v1`: what operations are filed under.
fn tag(group: &str, version: &str) -> String {
    let group = if group.is_empty() { "core" } else { group.split('.').next().unwrap_or_default() };
    format!("{group}_{version}")
}

fn of_subresource(
    paths: &mut Map<String, Value>,
    dialect: Dialect,
    kind: &Kind,
    version: &str,
    sub: &Subresource,
    place: &str,
) -> Option<String> {
    let (group, body_version) = sub.group_version.unwrap_or((kind.group, version));
    let body = body_of(group, body_version, sub.kind)?;
    let scope = if kind.namespaced { "Namespaced" } else { "" };
    let mut name = sub.name.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let target = Target {
        group,
        version: body_version,
        kind: sub.kind,
        body,
        list: body,
        id: format!("{}{scope}{}{name}", label(kind.group, version), kind.kind),
        tag: tag(kind.group, version),
    };
    add(paths, dialect, &format!("{place}/{{name}}/{}", sub.name), sub.verbs, &target);
    Some(body.to_owned())
}

/// `CoreV1`, `AppsV1`: a group and version within an operation id.
fn label(group: &str, version: &str) -> String {
    let first = if group.is_empty() { "core" } else { group.split('.').next().unwrap_or_default() };
    [first, version]
        .iter()
        .map(|word| word.get(..1).unwrap_or("").to_uppercase() + word.get(1..).unwrap_or(""))
        .collect()
}

fn add(paths: &mut Map<String, Value>, dialect: Dialect, path: &str, verbs: &[&str], target: &Target<'_>) {
    let mut item = Map::new();
    for verb in verbs {
        if let Some((method, action)) = method(verb) {
            item.insert(method.to_owned(), operation(dialect, verb, action, target));
        }
    }
    if item.is_empty() {
        return;
    }
    let mut parameters: Vec<Value> = ["name", "namespace"]
        .iter()
        .filter(|p| path.contains(&format!("{{{p}}}")))
        .map(|p| parameter(dialect, p, "path", STRING))
        .collect();
    parameters.push(parameter(dialect, "pretty", "query", STRING));
    item.insert("parameters".to_owned(), Value::Array(parameters));
    paths.insert(path.to_owned(), Value::Object(item));
}

fn parameter(dialect: Dialect, name: &str, place: &str, ty: &str) -> Value {
    let mut made = json!({"name": name, "in": place});
    match dialect {
        Dialect::V2 => made["type"] = json!(ty),
        Dialect::V3 => made["schema"] = json!({"type": ty, "uniqueItems": true}),
    }
    if dialect == Dialect::V2 {
        made["uniqueItems"] = json!(true);
    }
    if place == "path" {
        made["required"] = json!(true);
    }
    made
}

fn operation(dialect: Dialect, verb: &str, action: &str, target: &Target<'_>) -> Value {
    let status = format!("{META}.Status");
    let answer = match verb {
        "list" => target.list,
        "delete" | "deletecollection" => &status,
        _ => target.body,
    };
    let word = match verb {
        "get" => "read",
        "update" => "replace",
        "deletecollection" => "deleteCollection",
        verb => verb,
    };
    let mut parameters: Vec<Value> =
        query(verb).iter().map(|(name, ty)| parameter(dialect, name, "query", ty)).collect();
    let options = format!("{META}.DeleteOptions");
    let patch = format!("{META}.Patch");
    let body = match verb {
        "create" | "update" => Some((target.body, true)),
        "patch" => Some((patch.as_str(), true)),
        "delete" | "deletecollection" => Some((options.as_str(), false)),
        _ => None,
    };
    let mut made = json!({"operationId": format!("{word}{}", target.id), "tags": [target.tag],
        "x-kubernetes-action": action, "x-kubernetes-group-version-kind":
            {"group": target.group, "version": target.version, "kind": target.kind}});
    let content = |media: &[&str], name: &str| -> Map<String, Value> {
        media.iter().map(|m| ((*m).to_owned(), json!({"schema": dialect.reference(name)}))).collect()
    };
    match dialect {
        Dialect::V2 => {
            made["produces"] = json!(MEDIA);
            made["consumes"] = if verb == "patch" { json!(PATCHES) } else { json!(["*/*"]) };
            if let Some((name, required)) = body {
                parameters.push(json!({"name": "body", "in": "body", "required": required,
                    "schema": dialect.reference(name)}));
            }
            made["responses"] = json!({"200": {"description": "OK", "schema": dialect.reference(answer)}});
        }
        Dialect::V3 => {
            if let Some((name, required)) = body {
                let media: &[&str] = if verb == "patch" { PATCHES } else { &["*/*"] };
                made["requestBody"] = json!({"content": content(media, name)});
                if required {
                    made["requestBody"]["required"] = json!(true);
                }
            }
            made["responses"] = json!({"200": {"description": "OK", "content": content(MEDIA, answer)}});
        }
    }
    made["responses"]["401"] = json!({"description": "Unauthorized"});
    made["description"] = json!(format!("{word} {} ({})", target.kind, group_version(target.group, target.version)));
    if !parameters.is_empty() {
        made["parameters"] = Value::Array(parameters);
    }
    made
}
