//! Bodies of requests to checked JSON values.
//!
//! JSON and YAML are read into a tree that keeps order and duplicates; the schema
//! registry then decides what each field may hold. What leaves here has the types that
//! the API says, and no field that it does not know: nothing else is ever stored.
//! Texts are those of Kubernetes' strict decoder and of Go's JSON package.

mod canonical;
mod duplicates;
mod node;
mod path;
mod reader;
mod scalar;
mod yaml;

pub(crate) use node::Node;

use podium_types::{ApiError, FieldError, registry::Type};
use serde_json::{Value, json};

/// Bytes of a body that makes no sense that a message shows.
const MAX_SHOWN: usize = 30;

/// What to do with fields that are unknown or stand twice (`fieldValidation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Refuse the request.
    Strict,
    /// Drop them and tell the client.
    #[default]
    Warn,
    /// Drop them.
    Ignore,
}

impl FieldValidation {
    /// The query parameter; 400 where it is none of the three words. Empty means [`Self::Warn`].
    pub fn parse(word: &str) -> Result<Self, ApiError> {
        match word {
            "Strict" => Ok(Self::Strict),
            "" | "Warn" => Ok(Self::Warn),
            "Ignore" => Ok(Self::Ignore),
            _ => Err(ApiError::bad_request(format!(
                "fieldValidation: Unsupported value: {word:?}: supported values: \"Ignore\", \"Strict\", \"Warn\""
            ))),
        }
    }
}

/// A body that was read.
#[derive(Debug)]
pub struct Decoded {
    /// The object, pruned and of the right types.
    pub value: Value,
    /// Texts for `Warning` headers.
    pub warnings: Vec<String>,
}

/// Reads a JSON body as `schema`.
pub fn json(bytes: &[u8], schema: &'static Type, validation: FieldValidation) -> Result<Decoded, ApiError> {
    let tree = parse_json(bytes).map_err(|error| unrecognized(&error, schema, bytes))?;
    checked(tree, schema, validation, Vec::new())
}

/// Reads a YAML body as `schema`.
pub fn yaml(bytes: &[u8], schema: &'static Type, validation: FieldValidation) -> Result<Decoded, ApiError> {
    let (tree, duplicates) = yaml::parse(bytes)?;
    checked(tree, schema, validation, duplicates)
}

/// Checks a value that was made otherwise.
pub fn value(value: Value, schema: &'static Type, validation: FieldValidation) -> Result<Decoded, ApiError> {
    if canonical::is_canonical(&value, schema) {
        return Ok(Decoded { value, warnings: Vec::new() });
    }
    checked(Node::from(value), schema, validation, Vec::new())
}

/// Checks the outcome of a patch whose own `body` had these `issues`.
///
/// 422, since the outcome is at fault and not the body, in the words of Kubernetes.
pub fn patched(
    value: Value,
    schema: &'static Type,
    validation: FieldValidation,
    issues: Vec<String>,
    body: &[u8],
) -> Result<Decoded, ApiError> {
    if issues.is_empty() && canonical::is_canonical(&value, schema) {
        return Ok(Decoded { value, warnings: Vec::new() });
    }
    laid(Node::from(value), schema, validation, issues).map_err(|why| {
        let text = json!(String::from_utf8_lossy(body));
        ApiError::invalid("", "", "", &[FieldError::invalid("patch", &text, &why)])
    })
}

/// Reads the body of a patch, and tells which fields stand twice in it or, where it is a list of
/// operations, are none of theirs.
pub fn patch_json(bytes: &[u8]) -> Result<(Value, Vec<String>), ApiError> {
    let tree = parse_json(bytes)?;
    let issues = duplicates::of_patch(&tree);
    Ok((tree.into_value(), issues))
}

/// Reads a configuration to apply, JSON or YAML, `null` kept, and tells which fields stand twice.
pub fn configuration(bytes: &[u8]) -> Result<(Value, Vec<String>), ApiError> {
    // Most clients send JSON, which is read far faster.
    if bytes.trim_ascii_start().starts_with(b"{")
        && let Ok(tree) = parse_json(bytes)
        && duplicates::of_patch(&tree).is_empty()
    {
        return Ok((tree.into_value(), Vec::new()));
    }
    let (tree, twice) = yaml::parse(bytes)?;
    let told = twice.into_iter().map(|why| format!("error converting YAML to JSON: {why}")).collect();
    Ok((tree.into_value(), told))
}

/// Reads JSON without a schema, `null` kept: bodies of patches, and types that nobody knows.
pub fn free_json(bytes: &[u8]) -> Result<Value, ApiError> {
    parse_json(bytes).map(Node::into_value)
}

/// Makes sure that a body is of the kind that its path serves; absent names are filled in.
pub fn expect_kind(value: &mut Value, api_version: &str, kind: &str) -> Result<(), ApiError> {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let (got_version, got_kind) = (text("apiVersion"), text("kind"));
    if !got_kind.is_empty() && got_kind != kind {
        let version = got_version.rsplit('/').next().unwrap_or_default();
        return Err(ApiError::bad_request(format!(
            "{got_kind} in version {version:?} cannot be handled as a {kind}: the kind does not match the resource"
        )));
    }
    if !got_version.is_empty() && got_version != api_version {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({got_version}) does not match the expected API version ({api_version})"
        )));
    }
    if let Value::Object(map) = value {
        map.insert("apiVersion".to_owned(), json!(api_version));
        map.insert("kind".to_owned(), json!(kind));
    }
    Ok(())
}

fn parse_json(bytes: &[u8]) -> Result<Node, ApiError> {
    serde_json::from_slice(bytes).map_err(|error: serde_json::Error| {
        let why = if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
        ApiError::bad_request(format!("couldn't get version/kind; json parse error: {why}"))
    })
}

/// What is said of a body that is no JSON, with its beginning.
fn unrecognized(error: &ApiError, schema: &Type, bytes: &[u8]) -> ApiError {
    let start = &bytes[..bytes.len().min(MAX_SHOWN)];
    let shown = match start.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(start).into_owned(),
        Some(_) => start.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    let more = if bytes.len() > MAX_SHOWN { " ..." } else { "" };
    let (kind, why) = (schema.short_name(), &error.message);
    ApiError::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): {why} ({shown}{more})"
    ))
}

fn checked(
    tree: Node,
    schema: &'static Type,
    validation: FieldValidation,
    duplicates: Vec<String>,
) -> Result<Decoded, ApiError> {
    laid(tree, schema, validation, duplicates).map_err(|why| {
        let kind = schema.short_name();
        let version = schema.gvk.and_then(|gvk| gvk.rsplit('/').nth(1)).unwrap_or("v1");
        ApiError::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
    })
}

/// The document laid over its schema; the error says what is wrong with it.
fn laid(
    tree: Node,
    schema: &'static Type,
    validation: FieldValidation,
    duplicates: Vec<String>,
) -> Result<Decoded, String> {
    let told = duplicates.len();
    let mut reader = reader::Reader::new(duplicates);
    let value = reader.root(tree, schema, told > 0)?;
    match validation {
        FieldValidation::Strict if !reader.issues.is_empty() => {
            Err(format!("strict decoding error: {}", reader.issues.join(", ")))
        }
        FieldValidation::Warn => Ok(Decoded { value, warnings: reader.issues }),
        _ => Ok(Decoded { value, warnings: Vec::new() }),
    }
}

#[cfg(test)]
mod tests;
