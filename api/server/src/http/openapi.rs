//! OpenAPI documents.

use actix_web::{HttpRequest, HttpResponse};
use podium_types::ApiError;

/// `/openapi/…`
pub(crate) fn serve(_request: &HttpRequest, _rest: &[&str]) -> Result<HttpResponse, ApiError> {
    Err(ApiError::no_such_path())
}
