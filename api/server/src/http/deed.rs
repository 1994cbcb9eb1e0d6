//! What a request does, read off its head alone: for those who ask before anybody knows whether the path is served.

use super::{
    entry::http_verb,
    params::Params,
    path::{is_document, of_namespace, without_watch},
};
use crate::auth::constrained::Deed;
use actix_web::http::Method;

/// What a request with that method, path and query does.
pub(crate) fn of(method: &Method, path: &str, segments: &[String], query: &str) -> Deed {
    if is_document(segments) {
        return Deed::Path { verb: http_verb(method), path: path.to_owned() };
    }
    let params = Params::parse(query).unwrap_or_default();
    let mut watches = params.flag("watch");
    let segments = without_watch(segments.to_vec(), || watches = true);
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (group, rest) = match parts.as_slice() {
        ["apis", group, _, rest @ ..] => (*group, rest),
        [_, _, rest @ ..] => ("", rest),
        _ => ("", &[][..]),
    };
    let (namespace, rest) = of_namespace(rest);
    let part = |n: usize| rest.get(n).copied().unwrap_or_default();
    let verb = match (http_verb(method), part(1).is_empty()) {
        ("get", _) if watches && part(2).is_empty() => "watch",
        ("get", true) => "list",
        ("delete", true) => "deletecollection",
        ("post", _) => "create",
        ("put", _) => "update",
        (other, _) => other,
    };
    let name = if part(1).is_empty() { params.selected("metadata.name") } else { part(1) };
    let owned = str::to_owned;
    Deed::Resource {
        verb,
        group: owned(group),
        resource: owned(part(0)),
        subresource: owned(part(2)),
        namespace: owned(namespace.unwrap_or_default()),
        name: owned(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::path::segments;

    #[test]
    fn deeds_are_read_off_a_request() {
        for (method, path, query, expected) in [
            (Method::GET, "/version", "", "get /version"),
            (Method::GET, "/apis/apps/v1", "", "get /apis/apps/v1"),
            (Method::GET, "/api/v1/pods", "", "list  pods   "),
            (Method::GET, "/api/v1/namespaces/n/pods", "watch=1", "watch  pods  n "),
            (Method::GET, "/api/v1/watch/namespaces/n/pods/p", "", "watch  pods  n p"),
            (Method::GET, "/api/v1/namespaces/n/pods/p/log", "watch=1", "get  pods log n p"),
            (Method::GET, "/api/v1/namespaces/n", "", "get  namespaces   n"),
            (Method::PUT, "/api/v1/namespaces/n/finalize", "", "update  namespaces finalize  n"),
            (Method::POST, "/api/v1/namespaces/n/pods/p/eviction", "", "create  pods eviction n p"),
            (Method::DELETE, "/apis/apps/v1/namespaces/n/deployments", "", "deletecollection apps deployments  n "),
            (Method::GET, "/api/v1/secrets", "fieldSelector=metadata.name%3Ds", "list  secrets   s"),
            (Method::PATCH, "/apis/nobody.io/v1/things/t/status", "", "patch nobody.io things status  t"),
        ] {
            let deed = match of(&method, path, &segments(path).unwrap(), query) {
                Deed::Path { verb, path } => format!("{verb} {path}"),
                Deed::Resource { verb, group, resource, subresource, namespace, name } => {
                    [verb, &group, &resource, &subresource, &namespace, &name].join(" ")
                }
            };
            assert_eq!(deed, expected, "{method} {path}");
        }
    }
}
