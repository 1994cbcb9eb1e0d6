//! What a URL path asks for; read once per request against KINDS.

use podium_kinds::Kind;
use podium_types::ApiError;

/// Subresources of a namespace, which look like resources within it.
const OF_NAMESPACE: &[&str] = &["status", "finalize"];

/// The subresource that has paths of its own.
pub(crate) const PROXY: &str = "proxy";

/// A resource path.
#[derive(Clone)]
pub(crate) struct Target {
    /// Kind of the resource.
    pub(crate) kind: &'static Kind,
    /// Namespace; empty for cluster-scoped kinds and across namespaces.
    pub(crate) namespace: String,
    /// Name of the object; empty for the collection.
    pub(crate) name: String,
    /// Subresource; empty for the object itself.
    pub(crate) subresource: String,
}

impl Target {
    /// Namespace and name.
    pub(crate) fn key(&self) -> podium_types::Key {
        podium_types::Key::new(&self.namespace, &self.name)
    }
}

/// The decoded segments of a path.
pub(crate) fn segments(path: &str) -> Result<Vec<String>, ApiError> {
    path.split('/').filter(|s| !s.is_empty()).map(decode).collect()
}

fn decode(segment: &str) -> Result<String, ApiError> {
    let bytes = segment.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(byte) = bytes.get(i) {
        if *byte == b'%' {
            let hex = segment.get(i + 1..i + 3).and_then(|h| u8::from_str_radix(h, 16).ok());
            out.push(hex.ok_or_else(ApiError::no_such_path)?);
            i += 3;
        } else {
            out.push(*byte);
            i += 1;
        }
    }
    String::from_utf8(out).map_err(|_| ApiError::no_such_path())
}

/// Whether a path is none of a resource: health, discovery, documents.
pub(crate) fn is_document(segments: &[String]) -> bool {
    match segments.first().map(String::as_str) {
        Some("api") => segments.len() <= 2,
        Some("apis") => segments.len() <= 3,
        _ => true,
    }
}

/// The older form of a watch, `/api/v1/watch/…`, as the path of what is watched; `found` is told of it.
pub(crate) fn without_watch(mut segments: Vec<String>, found: impl FnOnce()) -> Vec<String> {
    let at = if segments.first().is_some_and(|s| s == "apis") { 3 } else { 2 };
    if segments.len() > at + 1 && segments.get(at).is_some_and(|s| s == "watch") {
        segments.remove(at);
        found();
    }
    segments
}

/// The namespace that the rest of a path begins with, and what follows.
pub(crate) fn of_namespace<'a, 'b>(rest: &'b [&'a str]) -> (Option<&'a str>, &'b [&'a str]) {
    match rest {
        ["namespaces", namespace, resource, tail @ ..] if !(tail.is_empty() && OF_NAMESPACE.contains(resource)) => {
            (Some(*namespace), &rest[2..])
        }
        _ => (None, rest),
    }
}

/// Reads `/api/v1/…` and `/apis/{group}/{version}/…`; 404 for what nothing serves.
pub(crate) fn target(segments: &[String]) -> Result<Target, ApiError> {
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Err(ApiError::no_such_path()),
    };
    let (namespace, rest) = of_namespace(rest);
    let (plural, name, subresource) = match rest {
        [plural] => (*plural, "", ""),
        [plural, name] => (*plural, *name, ""),
        [plural, name, subresource] => (*plural, *name, *subresource),
        // What follows belongs to whoever is behind the proxy.
        [plural, name, PROXY, ..] => (*plural, *name, PROXY),
        _ => return Err(ApiError::no_such_path()),
    };
    let kind = podium_kinds::by_path(group, version, plural).ok_or_else(ApiError::no_such_path)?;
    if namespace.is_some() != kind.namespaced && !(kind.namespaced && name.is_empty()) {
        return Err(ApiError::no_such_path());
    }
    if !subresource.is_empty() && kind.subresource(subresource).is_none() {
        return Err(ApiError::no_such_path());
    }
    let owned = |s: &str| s.to_owned();
    Ok(Target {
        kind,
        namespace: namespace.map(owned).unwrap_or_default(),
        name: owned(name),
        subresource: owned(subresource),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Option<(String, String, String, String)> {
        let t = segments(path).and_then(|s| target(&s)).ok()?;
        Some((t.kind.resource.to_owned(), t.namespace, t.name, t.subresource))
    }

    #[test]
    fn paths() {
        let table = [
            ("/api/v1/pods", Some(("pods", "", "", ""))),
            ("/api/v1/namespaces/a/pods/b/status", Some(("pods", "a", "b", "status"))),
            ("/api/v1/namespaces/a", Some(("namespaces", "", "a", ""))),
            ("/api/v1/namespaces/a/finalize", Some(("namespaces", "", "a", "finalize"))),
            ("/apis/apps/v1/namespaces/a/deployments/b/scale", Some(("deployments.apps", "a", "b", "scale"))),
            ("/api/v1/namespaces/a/events/b%2Fc", Some(("events", "a", "b/c", ""))),
            ("/api/v1/namespaces/a/pods/https:b:1/proxy/c//d/", Some(("pods", "a", "https:b:1", "proxy"))),
            ("/api/v1/nodes/b/proxy", Some(("nodes", "", "b", "proxy"))),
            ("/api/v1/namespaces/a/configmaps/b/proxy/c", None),
            ("/api/v1/namespaces/a/nodes/b", None),
            ("/api/v1/pods/b", None),
            ("/api/v1/namespaces/a/pods/b/nothing", None),
            ("/api/v1/namespaces/a/pods/b%2", None),
            ("/apis/apps/v9/deployments", None),
            ("/", None),
        ];
        for (path, expected) in table {
            let expected = expected.map(|(a, b, c, d)| (a.to_owned(), b.to_owned(), c.to_owned(), d.to_owned()));
            assert_eq!(read(path), expected, "{path}");
        }
    }
}
