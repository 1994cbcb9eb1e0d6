//! What Go's strict JSON decoder says of the body of a patch, which has no schema of its own.

use super::Node;
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
            let path = format!("[{place}]");
            for (name, _) in members.iter().filter(|(name, _)| !OPERATION.contains(&name.as_str())) {
                tell(&mut found, format!("json patch unknown field \"{path}.{name}\""));
            }
            twice(members, &path, &mut |path| format!("json patch duplicate field \"{path}\""), &mut found);
        }
    } else {
        walk(tree, "", &mut found);
    }
    found
}

fn tell(found: &mut Vec<String>, what: String) {
    if found.len() < MAX_ISSUES {
        found.push(what);
    }
}

fn twice(members: &[(String, Node)], path: &str, word: &mut dyn FnMut(&str) -> String, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (name, _) in members {
        if !seen.insert(name.as_str()) {
            tell(found, word(&join(path, name)));
        }
    }
}

fn walk(tree: &Node, path: &str, found: &mut Vec<String>) {
    match tree {
        Node::Scalar(_) => {}
        Node::List(items) => {
            for (place, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{place}]"), found);
            }
        }
        Node::Object(members) => {
            twice(members, path, &mut |path| format!("duplicate field \"{path}\""), found);
            for (name, value) in members {
                walk(value, &join(path, name), found);
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
