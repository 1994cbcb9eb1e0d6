//! OpenAPI documents, built from the schema registry and the KINDS table.
//!
//! Version 3 per group and version, version 2 (swagger) as a whole for older clients.
//! Enough for `kubectl apply`, `explain` and client-side validation. Deliberately absent:
//! prose; the registry does not carry the descriptions of fields.

mod binary;
mod paths;
mod schema;

pub use binary::{MEDIA_TYPE, OLD_MEDIA_TYPE, binary};

use crate::discovery::{self, CORE, Virtual};
use podium_types::registry::{self, Type};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const TITLE: &str = "Kubernetes";

/// The two forms of OpenAPI.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    V2,
    V3,
}

impl Dialect {
    /// A reference to the schema of a type.
    fn reference(self, name: &str) -> Value {
        match self {
            Self::V2 => json!({"$ref": format!("#/definitions/{name}")}),
            Self::V3 => json!({"$ref": format!("#/components/schemas/{name}")}),
        }
    }
}

/// The OpenAPI v3 document of a group and version; `None` where nothing of it is served.
///
/// `virtuals` are the resources besides kinds that the server has.
pub fn v3(group: &str, version: &str, virtuals: &[Virtual]) -> Option<Value> {
    let (paths, schemas) = document(Dialect::V3, &[(group, version)], virtuals);
    if paths.is_empty() {
        return None;
    }
    Some(json!({"openapi": "3.0.0", "info": {"title": TITLE, "version": "unversioned"}, "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": security()}}))
}

/// The OpenAPI v2 document of everything that is served. `version` is the server's (`v1.36.0`).
pub fn v2(version: &str, virtuals: &[Virtual]) -> Value {
    let (paths, schemas) = document(Dialect::V2, &discovery::group_versions(virtuals), virtuals);
    json!({"swagger": "2.0", "info": {"title": TITLE, "version": version}, "paths": paths, "definitions": schemas,
        "security": [{"BearerToken": []}], "securityDefinitions": security()})
}

fn security() -> Value {
    json!({"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header",
        "description": "Bearer Token authentication"}})
}

/// The paths of some group versions and every schema that they reach.
fn document(
    dialect: Dialect,
    served: &[(&str, &str)],
    virtuals: &[Virtual],
) -> (Map<String, Value>, Map<String, Value>) {
    let mut paths = Map::new();
    let mut types: BTreeMap<&str, &Type> = BTreeMap::new();
    for kind in discovery::served() {
        for version in kind.versions {
            if served.contains(&(kind.group, *version)) {
                for name in paths::of_kind(&mut paths, dialect, kind, version) {
                    schema::reach(&mut types, &name);
                }
            }
        }
    }
    for of in virtuals.iter().chain(CORE).filter(|of| served.contains(&(of.group, of.version))) {
        for name in paths::of_virtual(&mut paths, dialect, of) {
            schema::reach(&mut types, &name);
        }
    }
    let schemas = types.into_iter().map(|(name, ty)| (name.to_owned(), schema::of_type(dialect, ty))).collect();
    (paths, schemas)
}

/// The OpenAPI name of the body of a subresource.
fn body_of(group: &str, version: &str, kind: &str) -> Option<&'static str> {
    registry::by_kind(&discovery::group_version(group, version), kind).map(|t| t.name.as_str())
}

#[cfg(test)]
mod tests;
