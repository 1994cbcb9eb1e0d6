//! Proxies: a request for what is behind a pod, a Service or a node, passed on as it is.
//!
//! Deliberately absent: rewriting links within HTML pages; `Location` alone is rewritten.

mod forward;
mod locate;
mod location;
mod wire;

use super::{app::App, entry::Request};
use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
    web::{Data, Payload},
};
use podium_types::ApiError;

/// Passes a request on.
pub(crate) async fn serve(request: Request, payload: Payload, app: &Data<App>) -> Result<HttpResponse, ApiError> {
    let place = locate::locate(&request, app)?;
    let (before, path) = split(request.http.path(), if request.target.kind.namespaced { 7 } else { 5 });
    if path.is_empty() && !request.http.headers().contains_key(header::UPGRADE) {
        // Relative links of the page behind only work below a directory.
        let query = request.http.query_string();
        let tail = if query.is_empty() { String::new() } else { format!("?{query}") };
        let mut answer = HttpResponse::build(StatusCode::MOVED_PERMANENTLY);
        return Ok(answer.insert_header((header::LOCATION, format!("{before}/{tail}"))).finish());
    }
    forward::forward(&request, payload, app, &place, before, path).await
}

/// A path before and after so many segments.
fn split(path: &str, segments: usize) -> (&str, &str) {
    let mut left = segments;
    let bytes = path.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let begins = *byte != b'/' && (at == 0 || bytes.get(at - 1) == Some(&b'/'));
        left -= usize::from(begins && left > 0);
        if left == 0 && *byte == b'/' {
            return path.split_at(at);
        }
    }
    (path, "")
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn what_follows_the_proxy_stays_as_it_is() {
        let cases = [
            ("/api/v1/nodes/n/proxy", 5, "/api/v1/nodes/n/proxy", ""),
            ("/api/v1/nodes/n/proxy/", 5, "/api/v1/nodes/n/proxy", "/"),
            ("//api/v1/nodes/n/proxy/a%2Fb//c/", 5, "//api/v1/nodes/n/proxy", "/a%2Fb//c/"),
            ("/api/v1/namespaces/d/pods/p/proxy/proxy/x", 7, "/api/v1/namespaces/d/pods/p/proxy", "/proxy/x"),
        ];
        for (path, segments, before, after) in cases {
            assert_eq!(split(path, segments), (before, after));
        }
    }
}
