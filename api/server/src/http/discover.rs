//! Everything that is no resource: health, version, metrics, discovery, OpenAPI.

use super::{answer, app::App, entry::text, review::REVIEWS};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
};
use podium_machinery::{aggregation, discovery};
use podium_types::ApiError;
use serde_json::{Value, json};

/// The Kubernetes version whose API is served.
pub(crate) const VERSION: (&str, &str, &str) = ("1", "36", "v1.36.0");
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// What everybody may see; `None` for other paths.
pub(crate) fn public(request: &HttpRequest, segments: &[String], app: &App) -> Option<Result<HttpResponse, ApiError>> {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let answer = match segments.as_slice() {
        ["healthz" | "livez", ..] => health(request, &[("ping", true)]),
        ["readyz", ..] => health(request, &checks(app)),
        ["version"] => answer::value(request, &version()),
        _ => return None,
    };
    Some(if matches!(*request.method(), Method::GET | Method::HEAD) {
        Ok(answer)
    } else {
        Err(ApiError::method_not_allowed())
    })
}

/// The APIServices of all that is served here.
pub fn api_services() -> Vec<Value> {
    aggregation::api_services(REVIEWS)
}

fn checks(app: &App) -> [(&'static str, bool); 3] {
    [("ping", true), ("started", app.started().is_ok()), ("database", app.api.backend().ready())]
}

fn health(request: &HttpRequest, checks: &[(&str, bool)]) -> HttpResponse {
    let good = checks.iter().all(|(_, good)| *good);
    let mut response = if good { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    let verbose = request.query_string().split('&').any(|p| p == "verbose" || p.starts_with("verbose="));
    if good && !verbose {
        return response.content_type("text/plain; charset=utf-8").body("ok");
    }
    let name = request.path().trim_matches('/').split('/').next().unwrap_or_default();
    let mut lines: String = checks
        .iter()
        .map(
            |(check, good)| {
                if *good { format!("[+]{check} ok\n") } else { format!("[-]{check} failed: reason withheld\n") }
            },
        )
        .collect();
    lines.push_str(&format!("{name} check {}\n", if good { "passed" } else { "failed" }));
    response.content_type("text/plain; charset=utf-8").body(lines)
}

fn version() -> Value {
    let (major, minor, git) = VERSION;
    json!({"major": major, "minor": minor, "gitVersion": format!("{git}+podium"), "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc",
        "platform": format!("linux/{}", if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" })})
}

/// What everybody who is somebody may see; `None` for other paths.
pub(crate) fn documents(
    request: &HttpRequest,
    segments: &[String],
    app: &App,
) -> Result<Option<HttpResponse>, ApiError> {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(None);
    }
    let missing = ApiError::no_such_path;
    let document = match segments.as_slice() {
        [] => json!({"paths": paths()}),
        ["metrics"] => {
            let mut text = app.metrics.render(app);
            text.extend(app.insight.as_ref().map(|insight| insight.metrics()));
            return Ok(Some(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)));
        }
        ["api"] if aggregated(request) => return Ok(Some(group_list(request, true))),
        ["apis"] if aggregated(request) => return Ok(Some(group_list(request, false))),
        ["api"] => discovery::versions(&app.address),
        ["apis"] => discovery::groups(REVIEWS),
        ["api", version] => discovery::resources("", version, REVIEWS).ok_or_else(missing)?,
        ["apis", group] => discovery::group(group, REVIEWS).ok_or_else(missing)?,
        ["apis", group, version] => discovery::resources(group, version, REVIEWS).ok_or_else(missing)?,
        [".well-known", "openid-configuration"] => issuer(app),
        ["openid", "v1", "jwks"] => {
            let keys = app.api.tokens().map(crate::auth::Tokens::key_set).ok_or_else(missing)?;
            return Ok(Some(HttpResponse::Ok().content_type("application/jwk-set+json").body(keys.to_string())));
        }
        ["openapi", rest @ ..] => return super::openapi::serve(request, rest).map(Some),
        _ => return Ok(None),
    };
    Ok(Some(answer::value(request, &document)))
}

/// The provider metadata of OpenID Connect Discovery, as far as checking tokens needs it.
fn issuer(app: &App) -> Value {
    json!({"issuer": crate::auth::ISSUER, "jwks_uri": format!("https://{}/openid/v1/jwks", app.address),
        "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"]})
}

/// Whether the client takes the aggregated form.
fn aggregated(request: &HttpRequest) -> bool {
    text(request, header::ACCEPT).split(',').any(|range| {
        let parts: Vec<&str> = range.split(';').map(str::trim).collect();
        parts.contains(&"application/json") && parts.contains(&"as=APIGroupDiscoveryList") && parts.contains(&"v=v2")
    })
}

fn group_list(request: &HttpRequest, core: bool) -> HttpResponse {
    let mut response = answer::value(request, &discovery::aggregated(core, REVIEWS));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(AGGREGATED));
    response
}

fn paths() -> Vec<String> {
    let mut paths = vec!["/api".to_owned(), "/apis".to_owned()];
    for (group, version) in discovery::group_versions(REVIEWS) {
        paths.push(if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") });
    }
    paths.extend(
        [
            "/.well-known/openid-configuration",
            "/healthz",
            "/livez",
            "/metrics",
            "/openapi/v2",
            "/openapi/v3",
            "/openid/v1/jwks",
            "/readyz",
            "/version",
        ]
        .map(str::to_owned),
    );
    paths
}
