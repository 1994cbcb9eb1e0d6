//! Errors as Kubernetes clients see them: `Status` objects with code, reason and details.

use serde_json::{Value, json};
use std::{borrow::Cow, fmt};

/// Why one field was refused; the parts of a `StatusCause`.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// `FieldValueRequired`, `FieldValueInvalid`, …
    pub reason: &'static str,
    /// Path such as `spec.containers[0].image`.
    pub field: String,
    /// `Required value`, `Invalid value: "x": must be …`
    pub message: String,
}

impl FieldError {
    /// A field that must be set. `detail` may be empty.
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        Self::new("FieldValueRequired", field, "Required value", None, detail)
    }
    /// A value that breaks a rule.
    pub fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::new("FieldValueInvalid", field, "Invalid value", Some(value), detail)
    }
    /// A list or map that breaks a rule; unlike other values, an absent one is printed as JSON.
    pub fn invalid_list(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self { message: format!("Invalid value: {value}: {detail}"), ..Self::invalid(field, value, detail) }
    }
    /// A value outside an enumeration; `supported` is listed in the message.
    pub fn not_supported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let list = supported.iter().map(|s| format!("{s:?}")).collect::<Vec<_>>().join(", ");
        Self::new(
            "FieldValueNotSupported",
            field,
            "Unsupported value",
            Some(value),
            &format!("supported values: {list}"),
        )
    }
    /// A value that must be unique but stands twice.
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self::new("FieldValueDuplicate", field, "Duplicate value", Some(value), "")
    }
    /// A field that may not be set or changed.
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::new("FieldValueForbidden", field, "Forbidden", None, detail)
    }
    /// A string or list that is too long.
    pub fn too_long(field: impl Into<String>, max: usize) -> Self {
        Self::new("FieldValueTooLong", field, "Too long", None, &format!("may not be more than {max} bytes"))
    }
    /// A reference to something that does not exist.
    pub fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self::new("FieldValueNotFound", field, "Not found", Some(value), "")
    }

    fn new(reason: &'static str, field: impl Into<String>, word: &str, value: Option<&Value>, detail: &str) -> Self {
        let mut message = word.to_owned();
        if let Some(value) = value {
            message = match value {
                // As Go prints a pointer that points nowhere.
                Value::Null => format!("{message}: \"null\""),
                value => format!("{message}: {value}"),
            };
        }
        if !detail.is_empty() {
            message = format!("{message}: {detail}");
        }
        Self { reason, field: field.into(), message }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// A refused request, as the `Status` object that the client gets.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason (`NotFound`, `Conflict`, …); may be empty.
    pub reason: Cow<'static, str>,
    /// Message for people.
    pub message: String,
    /// `StatusDetails`, where the reason has any.
    pub details: Option<Value>,
    /// Seconds for the `Retry-After` header.
    pub retry_after: Option<u32>,
}

/// `pods` or `deployments.apps`, as messages write a resource.
fn group_resource(resource: &str, group: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

impl ApiError {
    /// An error with neither details nor Retry-After.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason: Cow::Borrowed(reason), message: message.into(), details: None, retry_after: None }
    }
    fn named(code: u16, reason: &'static str, message: String, resource: &str, group: &str, name: &str) -> Self {
        let mut details = json!({"name": name, "kind": resource});
        if !group.is_empty() {
            details["group"] = json!(group);
        }
        Self { details: Some(details), ..Self::new(code, reason, message) }
    }
    /// 404 for an object.
    pub fn not_found(resource: &str, group: &str, name: &str) -> Self {
        let message = format!("{} {name:?} not found", group_resource(resource, group));
        Self::named(404, "NotFound", message, resource, group, name)
    }
    /// 404 for a path that nothing serves.
    pub fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }
    /// 409 for a create of something that exists.
    pub fn already_exists(resource: &str, group: &str, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", group_resource(resource, group));
        Self::named(409, "AlreadyExists", message, resource, group, name)
    }
    /// 409 for a write whose precondition no longer holds.
    pub fn conflict(resource: &str, group: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", group_resource(resource, group));
        Self::named(409, "Conflict", message, resource, group, name)
    }
    /// 409 in the words for an outdated resourceVersion.
    pub fn modified(resource: &str, group: &str, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, group, name, why)
    }
    /// 422 with a cause per field.
    pub fn invalid(kind: &str, group: &str, name: &str, errors: &[FieldError]) -> Self {
        let list = errors.iter().map(ToString::to_string).collect::<Vec<_>>();
        let text = if let [one] = list.as_slice() { one.clone() } else { format!("[{}]", list.join(", ")) };
        let message = format!("{} {name:?} is invalid: {text}", group_resource(kind, group));
        let mut error = Self::named(422, "Invalid", message, kind, group, name);
        if let Some(details) = &mut error.details {
            details["causes"] =
                errors.iter().map(|e| json!({"reason": e.reason, "message": e.message, "field": e.field})).collect();
        }
        error
    }
    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }
    /// 401.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }
    /// 403; `why` follows `pods "x" is forbidden: `.
    pub fn forbidden(resource: &str, group: &str, name: &str, why: &str) -> Self {
        let what = group_resource(resource, group);
        let message = if name.is_empty() {
            format!("{what} is forbidden: {why}")
        } else {
            format!("{what} {name:?} is forbidden: {why}")
        };
        Self::named(403, "Forbidden", message, resource, group, name)
    }
    /// 405.
    pub fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }
    /// 406; `offers` are the media types that would be answered.
    pub fn not_acceptable(offers: &str) -> Self {
        Self::new(406, "NotAcceptable", format!("only the following media types are accepted: {offers}"))
    }
    /// 413.
    pub fn too_large(limit: usize) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {limit}"))
    }
    /// 415; `offers` are the media types that would be read.
    pub fn unsupported_media_type(offers: &str) -> Self {
        let message =
            format!("the body of the request was in an unknown format - accepted media types include: {offers}");
        Self::new(415, "UnsupportedMediaType", message)
    }
    /// 410 `Expired`: a revision that history no longer reaches.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }
    /// 429 with Retry-After in seconds.
    pub fn too_many_requests(message: impl Into<String>, retry_after: u32) -> Self {
        let mut error = Self::new(429, "TooManyRequests", message);
        error.details = Some(json!({"retryAfterSeconds": retry_after}));
        error.retry_after = Some(retry_after);
        error
    }
    /// 500.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", format!("Internal error occurred: {}", message.into()))
    }
    /// 503 with Retry-After in seconds: nothing was done, try again.
    pub fn unavailable(message: impl Into<String>, retry_after: u32) -> Self {
        let mut error = Self::new(503, "ServiceUnavailable", message);
        error.details = Some(json!({"retryAfterSeconds": retry_after}));
        error.retry_after = Some(retry_after);
        error
    }
    /// 504: the outcome is not known; no Retry-After, since trying again may act twice.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(504, "Timeout", message)
    }
    /// The `Status` object.
    pub fn status(&self) -> Value {
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code});
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}
