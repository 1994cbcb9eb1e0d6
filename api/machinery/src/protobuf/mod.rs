//! Protobuf bodies, transcoded from and to JSON by the schema registry.
//!
//! Typed Go clients send `application/vnd.kubernetes.protobuf`: the bytes `k8s\0` and a
//! `runtime.Unknown` message around the object. Field numbers come from the registry, so
//! that there is no code per kind. Fields of unknown numbers are skipped, as protobuf asks.

mod encode;
mod message;
mod special;
mod wire;

pub use encode::{encodable, encode, encode_as, encode_event, encode_list};
#[cfg(test)]
pub(crate) use wire::Fields;
pub(crate) use wire::Writer;

use podium_types::{
    ApiError,
    registry::{self, Type},
};
use serde_json::{Value, json};

/// The media type.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
/// The media type of a watch.
pub const WATCH_TYPE: &str = "application/vnd.kubernetes.protobuf;stream=watch";
/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";
/// Deepest nesting of messages; JSONSchemaProps nests deepest in practice.
const MAX_DEPTH: usize = 100;

/// Fields of `runtime.Unknown` and its TypeMeta.
mod unknown {
    pub(super) const TYPE_META: u32 = 1;
    pub(super) const RAW: u32 = 2;
    pub(super) const CONTENT_ENCODING: u32 = 3;
    pub(super) const CONTENT_TYPE: u32 = 4;
    pub(super) const API_VERSION: u32 = 1;
    pub(super) const KIND: u32 = 2;
}

/// Fields of `WatchEvent` and its RawExtension.
mod event {
    pub(super) const TYPE: u32 = 1;
    pub(super) const OBJECT: u32 = 2;
    pub(super) const RAW: u32 = 1;
}

/// Why bytes are not what they should be.
type Broken = String;

/// Reads a body whose envelope names its type; the value carries `apiVersion` and `kind`.
/// 400 where the bytes are broken or the type is not known.
pub fn decode(bytes: &[u8]) -> Result<Value, ApiError> {
    let envelope = Envelope::read(bytes).map_err(refuse)?;
    let schema = registry::by_kind(envelope.api_version, envelope.kind).ok_or_else(|| {
        let (version, kind) = (envelope.api_version, envelope.kind);
        ApiError::bad_request(format!("no kind {kind:?} is registered for version {version:?}"))
    })?;
    envelope.object(schema).map_err(refuse)
}

/// Reads a body as `schema`, whatever its envelope says (and that may be nothing).
pub fn decode_as(bytes: &[u8], schema: &'static Type) -> Result<Value, ApiError> {
    Envelope::read(bytes).and_then(|e| e.object(schema)).map_err(refuse)
}

fn refuse(why: Broken) -> ApiError {
    ApiError::bad_request(format!("the body is not a protobuf object: {why}"))
}

struct Envelope<'a> {
    api_version: &'a str,
    kind: &'a str,
    raw: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Broken> {
        let body = bytes.strip_prefix(MAGIC).ok_or("it does not begin with k8s\\0")?;
        let mut made = Self { api_version: "", kind: "", raw: &[] };
        for field in wire::Fields::new(body) {
            let (tag, value) = field?;
            match tag {
                unknown::TYPE_META => {
                    for field in wire::Fields::new(value.bytes()?) {
                        let (tag, value) = field?;
                        match tag {
                            unknown::API_VERSION => made.api_version = value.text()?,
                            unknown::KIND => made.kind = value.text()?,
                            _ => {}
                        }
                    }
                }
                unknown::RAW => made.raw = value.bytes()?,
                unknown::CONTENT_ENCODING if !value.bytes()?.is_empty() => {
                    return Err("its content is encoded".to_owned());
                }
                unknown::CONTENT_TYPE if !matches!(value.text()?, "" | MEDIA_TYPE) => {
                    return Err(format!("its content is {}", value.text()?));
                }
                _ => {}
            }
        }
        Ok(made)
    }

    fn object(&self, schema: &'static Type) -> Result<Value, Broken> {
        let mut made = message::decode(self.raw, schema, MAX_DEPTH)?;
        for (name, text) in [("apiVersion", self.api_version), ("kind", self.kind)] {
            if !text.is_empty() {
                made.insert(name.to_owned(), json!(text));
            }
        }
        Ok(Value::Object(made))
    }
}

#[cfg(test)]
mod tests;
