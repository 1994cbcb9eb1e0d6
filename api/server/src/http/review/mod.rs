//! Reviews: who is that, and may they? Each is created, answered, and never stored.

mod access;
mod identity;

use super::{answer, app::App, body};
use crate::{auth::authorize::Attributes, user::User};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode},
    web::Payload,
};
use podium_machinery::{
    decode::{self, FieldValidation},
    discovery::Virtual,
};
use podium_types::{ApiError, meta};
use serde_json::Value;

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

const fn review(group: &'static str, names: [&'static str; 3], namespaced: bool) -> Virtual {
    let [kind, singular, plural] = names;
    Virtual { group, version: "v1", plural, singular, kind, namespaced, verbs: &["create"] }
}

/// The reviews, as discovery lists them.
pub(crate) static REVIEWS: &[Virtual] = &[
    review(AUTHENTICATION, ["SelfSubjectReview", "selfsubjectreview", "selfsubjectreviews"], false),
    review(AUTHENTICATION, ["TokenReview", "tokenreview", "tokenreviews"], false),
    review(AUTHORIZATION, ["LocalSubjectAccessReview", "localsubjectaccessreview", "localsubjectaccessreviews"], true),
    review(AUTHORIZATION, ["SelfSubjectAccessReview", "selfsubjectaccessreview", "selfsubjectaccessreviews"], false),
    review(AUTHORIZATION, ["SelfSubjectRulesReview", "selfsubjectrulesreview", "selfsubjectrulesreviews"], false),
    review(AUTHORIZATION, ["SubjectAccessReview", "subjectaccessreview", "subjectaccessreviews"], false),
];

/// What a path names.
pub(crate) struct Review {
    of: &'static Virtual,
    namespace: String,
}

/// The review that a path names.
pub(crate) fn find(segments: &[String]) -> Option<Review> {
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (group, version, namespace, plural) = match parts.as_slice() {
        ["apis", group, version, "namespaces", namespace, plural] => (*group, *version, *namespace, *plural),
        ["apis", group, version, plural] => (*group, *version, "", *plural),
        _ => return None,
    };
    let matching = |v: &&Virtual| {
        (v.group, v.version, v.plural) == (group, version, plural) && v.namespaced != namespace.is_empty()
    };
    Some(Review { of: REVIEWS.iter().find(matching)?, namespace: namespace.to_owned() })
}

/// Answers a review.
pub(crate) async fn answer(
    request: &HttpRequest,
    payload: Payload,
    review: &Review,
    user: &User,
    app: &App,
) -> Result<HttpResponse, ApiError> {
    let Review { of, namespace } = review;
    if request.method() != Method::POST {
        return Err(ApiError::method_not_allowed());
    }
    let wish = Attributes { verb: "create", group: of.group, resource: of.plural, namespace, ..Attributes::default() };
    app.api.authorize(user, &wish)?;
    let _place = app.limits.enter(user, false)?;
    super::negotiate::form(super::entry::text(request, actix_web::http::header::ACCEPT), false, false)?;
    let bytes = body::read(request, payload).await?;
    let package = of.group.trim_end_matches(".k8s.io");
    let schema = format!("io.k8s.api.{package}.{}.{}", of.version, of.kind);
    let mut object = body::object(&body::content_type(request), &bytes, &schema, FieldValidation::Warn)?.value;
    let version = format!("{}/{}", of.group, of.version);
    decode::expect_kind(&mut object, &version, of.kind)?;
    if of.namespaced && !["", namespace.as_str()].contains(&meta::namespace(&object)) {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(ApiError::bad_request(why));
    }
    let spec = &object["spec"];
    let status: Value = match of.kind {
        "SelfSubjectReview" => identity::oneself(user),
        "TokenReview" => identity::token(app, spec)?,
        "SelfSubjectRulesReview" => access::rules(app, user, spec)?,
        kind => access::review(app, user, kind, namespace, spec)?,
    };
    object["status"] = status;
    Ok(answer::json(request, StatusCode::CREATED, object.to_string().into(), &[]))
}
