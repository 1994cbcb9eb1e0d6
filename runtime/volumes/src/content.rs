//! Which files a ConfigMap, a Secret or a set of fields becomes: items, modes, optional.

use crate::{Error, File, Result};
use k8s_openapi::api::core::v1::{ConfigMap, KeyToPath, Secret};
use std::collections::BTreeMap;

/// When a volume names no `defaultMode`.
pub const DEFAULT_MODE: i32 = 0o644;

/// Contents by key.
pub type Data = BTreeMap<String, Vec<u8>>;

/// What a ConfigMap holds.
pub fn config_map(map: &ConfigMap) -> Data {
    let text = map.data.iter().flatten().map(|(k, v)| (k.clone(), v.clone().into_bytes()));
    text.chain(map.binary_data.iter().flatten().map(|(k, v)| (k.clone(), v.0.clone()))).collect()
}

/// What a Secret holds.
pub fn secret(secret: &Secret) -> Data {
    secret.data.iter().flatten().map(|(k, v)| (k.clone(), v.0.clone())).collect()
}

/// The files of one source. `data` is None where the object does not exist; `what` names it in messages
/// (`configmap "x"`).
pub fn files(
    what: &str,
    data: Option<&Data>,
    items: Option<&[KeyToPath]>,
    default_mode: Option<i32>,
    optional: bool,
) -> Result<Vec<File>> {
    let Some(data) = data else {
        return if optional { Ok(Vec::new()) } else { Err(Error::Missing(format!("{what} not found"))) };
    };
    let file = |path: &str, data: &[u8], mode: Option<i32>| File {
        path: path.to_owned(),
        data: data.to_vec(),
        mode: permissions(mode.or(default_mode)),
        uid: None,
    };
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        return Ok(data.iter().map(|(key, value)| file(key, value, None)).collect());
    };
    let mut out = Vec::new();
    for item in items {
        match data.get(&item.key) {
            Some(value) => out.push(file(&item.path, value, item.mode)),
            None if optional => {}
            None => return Err(Error::Missing(format!("{what} references non-existent config key: {}", item.key))),
        }
    }
    Ok(out)
}

/// Permission bits of a file.
pub fn permissions(mode: Option<i32>) -> u32 {
    mode.unwrap_or(DEFAULT_MODE).unsigned_abs() & 0o777
}
