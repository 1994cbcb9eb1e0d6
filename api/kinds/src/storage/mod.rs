//! The group `storage.k8s.io`: where volumes come from.

pub(crate) mod csidriver;
pub(crate) mod csinode;
pub(crate) mod csistoragecapacity;
pub(crate) mod storageclass;
#[cfg(test)]
mod tests;
pub(crate) mod volumeattachment;
pub(crate) mod volumeattributesclass;

use crate::{
    json::{is_unset, text},
    names,
    rules::Errors,
};
use podium_types::FieldError;
use serde_json::Value;

/// Limit of a CSI driver's name.
const MAX_DRIVER_NAME: usize = 63;

/// Reports what cannot be the name of a CSI driver.
fn driver_name(errors: &mut Errors, value: &Value, path: &str) {
    let name = text(value);
    if name.is_empty() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    if name.len() > MAX_DRIVER_NAME {
        errors.push(FieldError::too_long(path, MAX_DRIVER_NAME));
    }
    crate::rules::form(errors, names::dns_subdomain(&name.to_lowercase()), path, name);
}

/// Reports fields that an update may not touch, in the words of this group.
fn frozen(errors: &mut Errors, new: &Value, old: &Value, fields: &[&str]) {
    for field in fields {
        let (new, old) = (&new[*field], &old[*field]);
        if new != old && !(is_unset(new) && is_unset(old)) {
            errors.push(FieldError::forbidden(*field, &format!("updates to {field} are forbidden.")));
        }
    }
}
