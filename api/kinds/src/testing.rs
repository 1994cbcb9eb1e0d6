//! What the tests of the kinds share: an object in, words out.

use crate::{Context, Kind};
use podium_types::Timestamp;
use serde_json::Value;

/// The beginning of time, by no user.
pub(crate) const CONTEXT: Context<'static> = Context { now: Timestamp::UNIX_EPOCH, user: "", subresource: "" };

/// The object with its kind's defaults.
pub(crate) fn defaulted(kind: &Kind, object: &Value) -> Value {
    let mut object = object.clone();
    kind.strategy.default(&mut object);
    object
}

/// What validation says of a new object once its defaults are set.
pub(crate) fn errors(kind: &Kind, object: &Value) -> Vec<String> {
    kind.strategy.validate(&defaulted(kind, object)).iter().map(ToString::to_string).collect()
}

/// What validation says of the change alone.
pub(crate) fn changes(kind: &Kind, object: &Value, old: &Value) -> Vec<String> {
    kind.strategy.validate_update(object, old, &CONTEXT).iter().map(ToString::to_string).collect()
}

/// The cells as text.
pub(crate) fn shown(kind: &Kind, object: &Value) -> Vec<String> {
    let cells = (kind.row)(object, Timestamp::UNIX_EPOCH);
    cells.iter().map(|c| c.as_str().map_or_else(|| c.to_string(), str::to_owned)).collect()
}
