//! What Go's strict JSON decoder says of the body of a patch, which has no schema of its own.

use super::{Node, path::Path};
use std::collections::BTreeSet;

/// Most issues that one answer lists.
const MAX_ISSUES: usize = 100;
/// The fields of an operation of a JSON patch.
const OPERATION: &[&str] = &["op", "path", "from", "value"];

/// Fields that stand twice, and unknown ones of operations.
pub(super) fn of_patch(tree: &Node) -> Vec<String> {
    let mut found = Vec::new();
    if let Node::List(operations) = tree {
        for (place, operation) in operations.iter().enumerate() {
            let Node::Object(members) = operation else { continue };
            let path = Path::Item(&Path::Root, place);
            for (name, _) in members.iter().filter(|(name, _)| !OPERATION.contains(&name.as_str())) {
                tell(&mut found, format!("json patch unknown field \"{path}.{name}\""));
            }
            twice(members, &path, "json patch duplicate field", &mut found);
        }
    } else {
        walk(tree, &Path::Root, &mut found);
    }
    found
}

fn tell(found: &mut Vec<String>, what: String) {
    if found.len() < MAX_ISSUES {
        found.push(what);
    }
}

fn twice(members: &[(String, Node)], path: &Path<'_>, words: &str, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (name, _) in members {
        if !seen.insert(name.as_str()) {
            tell(found, format!("{words} \"{}\"", Path::Field(path, name)));
        }
    }
}

fn walk(tree: &Node, path: &Path<'_>, found: &mut Vec<String>) {
    match tree {
        Node::Scalar(_) => {}
        Node::List(items) => {
            for (place, item) in items.iter().enumerate() {
                walk(item, &Path::Item(path, place), found);
            }
        }
        Node::Object(members) => {
            twice(members, path, "duplicate field", found);
            for (name, value) in members {
                walk(value, &Path::Field(path, name), found);
            }
        }
    }
}
