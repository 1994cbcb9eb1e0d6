//! The way of a request: who, where to, may they, is there room, do it.

use super::{
    answer, app::App, apply, body, core, deed, discover, explain, limits, metrics::Sort, negotiate::Form,
    params::Params, path, proxy, read, review, streams, watch, write,
};
use crate::{
    auth::{authenticate, authorize::Attributes, impersonate::impersonate},
    user::{NODES, User},
    verbs::{CREATE_ON_UPDATE, WriteOptions},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web::{Data, Payload},
};
use futures_util::FutureExt;
use path::{PROXY, Target};
use podium_machinery::protobuf;
use podium_types::{ApiError, registry};
use std::{panic::AssertUnwindSafe, time::Instant};

/// Subresources whose requests last as long as the client likes.
const STREAMS: &[&str] = &["exec", "attach", "portforward", "log", PROXY];

/// Those of them that let a client act within a pod.
const RUN: &[&str] = &["exec", "attach", "portforward"];

/// What keeps nodes alive.
const LEASES: &str = "leases.coordination.k8s.io";

/// The user of a connection's client certificate.
#[derive(Clone)]
pub(crate) struct Peer(pub(crate) User);

/// What a handler needs of a resource request.
pub(crate) struct Request {
    pub(crate) http: HttpRequest,
    pub(crate) user: User,
    pub(crate) target: Target,
    pub(crate) params: Params,
}

impl Request {
    /// How to write; `options` is the kind that messages name.
    pub(crate) fn write(&self, options: &str) -> Result<WriteOptions, ApiError> {
        self.params.write(text(&self.http, header::USER_AGENT), options)
    }
    /// The form of the answer.
    pub(crate) fn form(&self, transformable: bool) -> Result<Form, ApiError> {
        let schema = registry::get(self.target.kind.schema).filter(|_| transformable && !self.target.kind.live);
        let binary = schema.is_some_and(protobuf::encodable);
        super::negotiate::form(text(&self.http, header::ACCEPT), transformable, binary)
    }
}

/// The value of a header, `""` where it is absent or no text.
pub(crate) fn text(request: &HttpRequest, name: header::HeaderName) -> &str {
    request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

/// What others may keep of an answer: nothing, since it is for one user and of one moment.
const PRIVATE: header::HeaderValue = header::HeaderValue::from_static("no-cache, private");

/// Answers any request.
pub(crate) async fn entry(request: HttpRequest, payload: Payload, app: Data<App>) -> HttpResponse {
    let mut payload = Some(payload);
    let guarded = AssertUnwindSafe(handle(request, &mut payload, &app)).catch_unwind().await;
    if let Some(unread) = payload.filter(|_| !matches!(guarded, Ok(Ok(_)))) {
        body::discard(unread).await;
    }
    let mut response = match guarded {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => answer::error(&error),
        Err(_) => {
            tracing::error!("a request handler panicked");
            answer::error(&ApiError::internal("a request handler panicked"))
        }
    };
    if !response.headers().contains_key(header::CACHE_CONTROL) {
        response.headers_mut().insert(header::CACHE_CONTROL, PRIVATE);
    }
    response
}

/// The body of a request; gone once a handler has taken it.
type Unread = Option<Payload>;

/// The body, for the handler that reads it.
pub(crate) fn take(payload: &mut Unread) -> Result<Payload, ApiError> {
    payload.take().ok_or_else(|| ApiError::internal("the body was read before"))
}

async fn handle(request: HttpRequest, payload: &mut Unread, app: &Data<App>) -> Result<HttpResponse, ApiError> {
    let segments = path::segments(request.path())?;
    if let Some(response) = discover::public(&request, &segments, app) {
        return response;
    }
    app.started()?;
    let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let deed = || deed::of(request.method(), request.path(), &segments, request.query_string());
    let user = impersonate(&app.api, authenticate(&request, app)?, headers, deed)?;
    if path::is_document(&segments) {
        app.api.authorize_path(&user, http_verb(request.method()), request.path())?;
        return discover::documents(&request, &segments, app)?.ok_or_else(ApiError::no_such_path);
    }
    if let Some(review) = review::find(&segments) {
        return review::answer(&request, take(payload)?, &review, &user, app).await;
    }
    if let Some(resource) = core::find(&segments) {
        return core::answer(&request, payload, &resource, user, app).await;
    }
    if let Some(pod) = explain::find(&segments) {
        return explain::answer(&request, pod, &user, app).await;
    }
    let mut params = Params::parse(request.query_string())?;
    let segments = path::without_watch(segments, || params.watch_all());
    let target = path::target(&segments)?;
    if params.flag("watch") && !target.name.is_empty() {
        params.select(&target.name);
    }
    let Some(verb) = verb(request.method(), &target, &params) else { return Err(ApiError::method_not_allowed()) };
    let request = Request { http: request, user, target, params };
    let (sort, began, kind) = (Sort::of(verb, &request.target), Instant::now(), request.target.kind);
    let done = serve(request, payload, verb, app).await.map(|response| answer::deprecating(response, kind));
    let code = match &done {
        Ok(response) => response.status().as_u16(),
        Err(error) => error.code,
    };
    app.metrics.count(sort, code, began);
    if verb == "watch" { done.map(|response| app.metrics.hold(sort, response)) } else { done }
}

fn authenticate(request: &HttpRequest, app: &App) -> Result<User, ApiError> {
    if let Some(Peer(user)) = request.conn_data::<Peer>() {
        return Ok(user.clone());
    }
    let token = text(request, header::AUTHORIZATION).strip_prefix("Bearer ");
    app.tokens.user(&app.api, token.ok_or_else(ApiError::unauthorized)?.trim())
}

/// The user of a peer's certificate, as the connection begins.
pub(crate) fn peer(der: &[u8]) -> Option<Peer> {
    authenticate::of_certificate(der).map(Peer)
}

/// The verb of a request for a path that is no resource.
pub(crate) fn http_verb(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "get",
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "options",
    }
}

fn verb(method: &Method, target: &Target, params: &Params) -> Option<&'static str> {
    let collection = target.name.is_empty();
    match *method {
        Method::GET | Method::HEAD if STREAMS.contains(&target.subresource.as_str()) => Some("get"),
        Method::GET | Method::HEAD if params.flag("watch") && target.subresource.is_empty() => Some("watch"),
        Method::GET | Method::HEAD if collection => Some("list"),
        Method::GET | Method::HEAD => Some("get"),
        Method::POST if collection || !target.subresource.is_empty() => Some("create"),
        Method::PUT if !collection => Some("update"),
        Method::PATCH if !collection => Some("patch"),
        Method::DELETE if collection => Some("deletecollection"),
        Method::DELETE if target.subresource.is_empty() || target.subresource == PROXY => Some("delete"),
        // Kubernetes asks for no verb, which a rule for all of them allows.
        Method::OPTIONS if target.subresource == PROXY => Some(""),
        _ => None,
    }
}

async fn serve(
    request: Request,
    payload: &mut Unread,
    verb: &'static str,
    app: &Data<App>,
) -> Result<HttpResponse, ApiError> {
    let target = &request.target;
    let kind = target.kind;
    permit(&request, verb, app)?;
    let verbs = kind.subresource(&target.subresource).map_or(kind.verbs, |s| s.verbs);
    if !verbs.contains(&verb) && !verb.is_empty() {
        return Err(ApiError::method_not_allowed());
    }
    let streams = STREAMS.contains(&target.subresource.as_str());
    let lasts = verb == "watch" || streams;
    let exempt = lasts || (kind.resource == LEASES && request.user.is_in(NODES));
    let writes = !matches!(verb, "get" | "list");
    let _place = if exempt { None } else { Some(app.limits.enter(&request.user, writes)?) };
    if lasts {
        return perform(request, payload, verb, app).await;
    }
    limits::in_time(request.params.timeout()?, perform(request, payload, verb, app)).await
}

/// Whether the user may do it; some requests are two wishes.
fn permit(request: &Request, verb: &'static str, app: &App) -> Result<(), ApiError> {
    let Request { http, user, target, params } = request;
    let kind = target.kind;
    let name = match target.name.as_str() {
        "" => params.selected("metadata.name"),
        name => name,
    };
    let wish = Attributes {
        verb,
        group: kind.group,
        resource: kind.plural,
        subresource: &target.subresource,
        namespace: &target.namespace,
        name,
        node: params.selected("spec.nodeName"),
    };
    app.api.authorize(user, &wish)?;
    let may_make = match verb {
        "update" => CREATE_ON_UPDATE.contains(&kind.resource),
        "patch" => apply::is_apply(&body::content_type(http)),
        _ => false,
    };
    let makes = may_make && target.subresource.is_empty() && !app.api.exists(kind, &target.key());
    // A GET that becomes a stream runs programs all the same (KEP-5288).
    let runs = verb == "get" && RUN.contains(&target.subresource.as_str());
    if makes || runs { app.api.authorize(user, &Attributes { verb: "create", ..wish }) } else { Ok(()) }
}

async fn perform(
    request: Request,
    payload: &mut Unread,
    verb: &'static str,
    app: &Data<App>,
) -> Result<HttpResponse, ApiError> {
    let target = &request.target;
    let streams = STREAMS.contains(&target.subresource.as_str());
    match verb {
        _ if target.subresource == PROXY => proxy::serve(request, take(payload)?, app).await,
        _ if streams => streams::serve(request, take(payload)?, app).await,
        "get" => read::get(&request, app).await,
        "list" => read::list(&request, app).await,
        "watch" => watch::serve(&request, app).await,
        "create" => write::create(&request, take(payload)?, app).await,
        "update" => write::update(&request, take(payload)?, app).await,
        "patch" => write::patch(&request, take(payload)?, app).await,
        "delete" => write::delete(&request, take(payload)?, app).await,
        _ => write::delete_collection(&request, take(payload)?, app).await,
    }
}
