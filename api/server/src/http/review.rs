//! Reviews of oneself: `kubectl auth whoami` and `kubectl auth can-i`. Nothing is stored.

use super::{answer, body};
use crate::{auth::authorize::allowed, user::User};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode},
    web::Payload,
};
use podium_machinery::{
    decode::{self, FieldValidation},
    discovery::Virtual,
};
use podium_types::ApiError;
use serde_json::{Value, json};

/// The reviews, as discovery lists them.
pub(crate) static REVIEWS: &[Virtual] = &[
    Virtual {
        group: "authentication.k8s.io",
        version: "v1",
        plural: "selfsubjectreviews",
        singular: "selfsubjectreview",
        kind: "SelfSubjectReview",
        namespaced: false,
        verbs: &["create"],
    },
    Virtual {
        group: "authorization.k8s.io",
        version: "v1",
        plural: "selfsubjectaccessreviews",
        singular: "selfsubjectaccessreview",
        kind: "SelfSubjectAccessReview",
        namespaced: false,
        verbs: &["create"],
    },
];

/// The review that a path names.
pub(crate) fn find(segments: &[String]) -> Option<&'static Virtual> {
    let [apis, group, version, plural] = segments else { return None };
    let matching = |v: &&Virtual| v.group == group && v.version == version && v.plural == plural;
    REVIEWS.iter().find(matching).filter(|_| apis == "apis")
}

/// Answers a review.
pub(crate) async fn answer(
    request: &HttpRequest,
    payload: Payload,
    review: &Virtual,
    user: &User,
) -> Result<HttpResponse, ApiError> {
    if request.method() != Method::POST {
        return Err(ApiError::method_not_allowed());
    }
    super::negotiate::form(super::entry::text(request, actix_web::http::header::ACCEPT), false, false)?;
    let bytes = body::read(request, payload).await?;
    let package = review.group.trim_end_matches(".k8s.io");
    let schema = format!("io.k8s.api.{package}.{}.{}", review.version, review.kind);
    let mut object = body::object(&body::content_type(request), &bytes, &schema, FieldValidation::Warn)?.value;
    let version = format!("{}/{}", review.group, review.version);
    decode::expect_kind(&mut object, &version, review.kind)?;
    object["status"] = match review.kind {
        "SelfSubjectReview" => json!({"userInfo": info(user)}),
        _ => json!({"allowed": allowed(user)}),
    };
    Ok(answer::json(request, StatusCode::CREATED, object.to_string().into(), &[]))
}

fn info(user: &User) -> Value {
    let mut info = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        info["uid"] = json!(user.uid);
    }
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}
