//! YAML as Kubernetes reads it: `0644` is octal, `on` and `yes` are booleans.

use super::Node;
use podium_types::ApiError;
use serde_yaml::{DuplicateKeyPolicy, Error, Options};

/// Most nodes that aliases stand for in one document: a few lines may stand for millions.
const ALIASED: usize = 20_000;

fn options(duplicates: DuplicateKeyPolicy) -> Options {
    serde_yaml::options! {
        duplicate_keys: duplicates,
        legacy_octal_numbers: true,
        with_snippet: false,
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: ALIASED },
    }
}

/// The document, and `line 9: key "a" already set in map` where a key stands twice.
///
/// Places of duplicates are known only to the parser, which stops at the first one; so
/// only documents that have duplicates are read again to ask for it.
pub(super) fn parse(bytes: &[u8]) -> Result<(Node, Vec<String>), ApiError> {
    let tree: Node = serde_yaml::from_slice_with_options(bytes, options(DuplicateKeyPolicy::PassThrough))
        .map_err(|e| ApiError::bad_request(format!("error parsing yaml: {}", e.without_snippet())))?;
    if !repeats(&tree) {
        return Ok((tree, Vec::new()));
    }
    let strict = serde_yaml::from_slice_with_options::<Node>(bytes, options(DuplicateKeyPolicy::Error));
    let told = strict.err().and_then(|error| {
        let line = error.location()?.line();
        match error.without_snippet() {
            Error::DuplicateMappingKey { key: Some(key), .. } => {
                Some(format!("line {line}: key {key:?} already set in map"))
            }
            _ => None,
        }
    });
    Ok((tree, told.into_iter().map(|t| format!("yaml: unmarshal errors:\n  {t}")).collect()))
}

/// Whether any key stands twice in its map.
fn repeats(tree: &Node) -> bool {
    match tree {
        Node::Scalar(_) => false,
        Node::List(items) => items.iter().any(repeats),
        Node::Object(members) => {
            let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            names.windows(2).any(|pair| pair[0] == pair[1]) || members.iter().any(|(_, value)| repeats(value))
        }
    }
}
