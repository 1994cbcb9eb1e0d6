//! What PersistentVolume and PersistentVolumeClaim have in common: access modes and volume modes.

use crate::{
    json::{items, text},
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::Value;

const ACCESS_MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
/// Access modes in kubectl's order and words.
const SHORT: &[(&str, &str)] =
    &[("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];

/// Rules for `accessModes` and `volumeMode` of the spec at `path`; `why` is said where there is no mode.
pub(crate) fn modes(errors: &mut Errors, spec: &Value, path: &str, why: &str) {
    let modes = items(&spec["accessModes"]);
    let path_of_modes = child(path, "accessModes");
    if modes.is_empty() {
        errors.push(FieldError::required(&path_of_modes, why));
    }
    for mode in modes {
        if !ACCESS_MODES.contains(&text(mode)) {
            errors.push(FieldError::not_supported(&path_of_modes, mode, ACCESS_MODES));
        }
    }
    let others = modes.iter().filter(|m| *m != "ReadWriteOncePod" && ACCESS_MODES.contains(&text(m)));
    if others.count() > 0 && modes.iter().any(|m| m == "ReadWriteOncePod") {
        let why = "may not use ReadWriteOncePod with other access modes";
        errors.push(FieldError::forbidden(&path_of_modes, why));
    }
    rules::one_of(errors, &spec["volumeMode"], &child(path, "volumeMode"), &["Block", "Filesystem"]);
}

/// `RWO,ROX`
pub(crate) fn short(modes: &Value) -> String {
    let modes = items(modes);
    let list: Vec<&str> =
        SHORT.iter().filter(|(mode, _)| modes.iter().any(|m| m == mode)).map(|(_, short)| *short).collect();
    list.join(",")
}

/// The phase, or that the object is on its way out.
pub(crate) fn phase(object: &Value) -> &str {
    if podium_types::meta::is_deleting(object) { "Terminating" } else { text(&object["status"]["phase"]) }
}

/// The string, or `<unset>`.
pub(crate) fn or_unset(value: &Value) -> &str {
    match text(value) {
        "" => "<unset>",
        word => word,
    }
}
