//! The schema registry: every type of the API with what is known of its fields.
//!
//! Pruning, strict validation, defaults, merge keys, server-side apply, protobuf and
//! OpenAPI all ask here. The table `schema.txt` is made by `generate.py` from the
//! published API; `podium.txt` holds the types that are Podium's own, by hand, in the
//! same form. Both are parsed once, on first use. Deliberately absent: validation
//! rules and computed defaults, which live with the kinds.

mod model;
mod parse;

pub use model::{Embedded, Field, FieldType, ListType, Shape, Type, TypeId};

use std::sync::OnceLock;

static SCHEMA: &str = include_str!("schema.txt");
static PODIUM: &str = include_str!("podium.txt");
static TABLE: OnceLock<Table> = OnceLock::new();

/// Options that every group version has; known under any `apiVersion`.
const COMMON_KINDS: &[&str] = &[
    "DeleteOptions",
    "CreateOptions",
    "UpdateOptions",
    "PatchOptions",
    "GetOptions",
    "ListOptions",
    "ApplyOptions",
    "TableOptions",
    "WatchEvent",
];
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// All types, sorted by name, and an index of their kinds.
#[derive(Default)]
struct Table {
    types: Vec<Type>,
    kinds: Vec<(&'static str, TypeId)>,
}

fn table() -> &'static Table {
    // A table that cannot be parsed is a broken build; the test below parses it.
    TABLE.get_or_init(|| parse::parse(&[SCHEMA, PODIUM]).unwrap_or_default())
}

/// The type of an OpenAPI name, such as `io.k8s.api.core.v1.Pod`.
pub fn get(type_name: &str) -> Option<&'static Type> {
    let types = &table().types;
    types.binary_search_by(|t| t.name.as_str().cmp(type_name)).ok().and_then(|i| types.get(i))
}

/// The type of a kind, such as `apps/v1`, `Deployment`; options are found under any `apiVersion`.
pub fn by_kind(api_version: &str, kind: &str) -> Option<&'static Type> {
    let table = table();
    let name = format!("{api_version}/{kind}");
    if let Ok(i) = table.kinds.binary_search_by(|(k, _)| (*k).cmp(name.as_str())) {
        return table.kinds.get(i).map(|(_, id)| id.get());
    }
    COMMON_KINDS.contains(&kind).then(|| get(&format!("{META}.{kind}"))).flatten()
}

/// Every type, sorted by name.
pub fn all() -> &'static [Type] {
    &table().types
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_tables_parse_without_a_loose_end() {
        let table = parse::parse(&[SCHEMA, PODIUM]).expect("tables parse");
        let lines = |first: fn(&str) -> bool| SCHEMA.lines().chain(PODIUM.lines()).filter(|l| first(l)).count();
        assert_eq!(table.types.len(), lines(|l| !l.starts_with([' ', '/', '#'])));
        let fields: usize = table.types.iter().map(|t| t.fields.len() + t.embedded.len()).sum();
        assert_eq!(fields, lines(|l| l.starts_with(' ')));
        assert!(table.types.is_sorted_by(|a, b| a.name < b.name));
        assert!(table.types.iter().all(|t| t.fields.is_sorted_by(|a, b| a.name < b.name)));
    }

    #[test]
    fn a_broken_table_is_refused() {
        for text in ["Lost\n", "/ a pkg.a\nT\n f :Missing 1\n", "/ a pkg.a\nT\n f str x\n", "/ a pkg.a\nT shape=odd\n"]
        {
            assert!(parse::parse(&[text]).is_err(), "{text}");
        }
    }

    #[test]
    fn fields_know_what_the_api_says_of_them() {
        let pod = by_kind("v1", "Pod").expect("Pod");
        assert_eq!(pod.name, "io.k8s.api.core.v1.Pod");
        assert_eq!(pod.message(), "k8s.io.api.core.v1.Pod");
        let FieldType::Ref(spec) = pod.field("spec").expect("spec").ty else { panic!("spec is a type") };
        let containers = spec.get().field("containers").expect("containers");
        assert!(containers.required && containers.patch_merge);
        assert_eq!(containers.merge_key, Some("name"));
        assert_eq!((containers.list_type, containers.map_keys.as_slice()), (ListType::Map, ["name"].as_slice()));
        let port = get("io.k8s.api.core.v1.ContainerPort").expect("ContainerPort");
        assert_eq!(port.field("protocol").and_then(|f| f.default.clone()), Some(json!("TCP")));
        assert!(by_kind("apps/v1", "DeleteOptions").is_some() && by_kind("batch/v1beta1", "CronJob").is_some());
        assert!(by_kind("v1", "Nonsense").is_none() && get("").is_none());
    }
}
