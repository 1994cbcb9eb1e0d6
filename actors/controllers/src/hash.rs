//! The name of a template: a stable, short hash.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Letters and digits that cannot form words, as Kubernetes uses for such names.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const LENGTH: usize = 10;

/// A hash of the template's JSON whatever the order of its members; `collisions` gives another one.
pub fn hash(template: &Value, collisions: i32) -> String {
    let mut hasher = Sha256::new();
    feed(template, &mut hasher);
    hasher.update(collisions.to_be_bytes());
    let digest = hasher.finalize();
    digest.iter().take(LENGTH).map(|byte| ALPHABET[usize::from(*byte) % ALPHABET.len()] as char).collect()
}

fn feed(value: &Value, hasher: &mut Sha256) {
    match value {
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().filter(|(_, value)| !value.is_null()).collect();
            members.sort_by_key(|(name, _)| name.as_str());
            hasher.update(b"{");
            for (name, value) in members {
                hasher.update(Value::from(name.as_str()).to_string());
                feed(value, hasher);
            }
            hasher.update(b"}");
        }
        Value::Array(list) => {
            hasher.update(b"[");
            for value in list {
                feed(value, hasher);
                hasher.update(b",");
            }
            hasher.update(b"]");
        }
        other => hasher.update(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hashes_are_stable_and_tell_templates_apart() {
        let a = json!({"spec": {"containers": [{"name": "a"}]}});
        let same = json!({"spec": {"containers": [{"name": "a"}], "x": null}});
        let b = json!({"spec": {"containers": [{"name": "b"}]}});
        assert_eq!(hash(&a, 0), hash(&same, 0));
        assert_ne!(hash(&a, 0), hash(&b, 0));
        assert_ne!(hash(&a, 0), hash(&a, 1));
        assert_eq!(hash(&a, 0).len(), LENGTH);
    }
}
