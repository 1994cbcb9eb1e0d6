//! Redirects of what is behind a proxy, brought back below the proxy's path.

/// `location` as the client must see it: `authority` is who redirected, `host` what the client calls the server,
/// `before` the proxy's own path. Redirects to elsewhere and relative ones stay as they are.
pub(super) fn rewrite(location: &str, authority: &str, host: &str, before: &str) -> String {
    let (place, path) = match location.split_once("://") {
        Some((_, rest)) => {
            let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (place, path) = rest.split_at(at);
            (Some(place), path)
        }
        None => (None, location),
    };
    // `//host/path` names a host too.
    let elsewhere = place.is_some_and(|p| p != authority && p != host) || location.starts_with("//");
    let rooted = path.starts_with('/') || (place.is_some() && !path.is_empty());
    if elsewhere || !rooted {
        return location.to_owned();
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let below = path.strip_prefix(before).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
    let path = if below { path } else { format!("{before}{path}") };
    format!("https://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::rewrite;

    #[test]
    fn redirects_stay_below_the_proxy() {
        let before = "/api/v1/namespaces/d/services/s/proxy";
        let go = |location: &str| rewrite(location, "10.0.0.1:80", "cluster:6443", before);
        let home = format!("https://cluster:6443{before}");
        assert_eq!(go("/login?next=1"), format!("{home}/login?next=1"));
        assert_eq!(go("http://10.0.0.1:80/a/"), format!("{home}/a/"));
        assert_eq!(go(&format!("{before}/a")), format!("{home}/a"));
        for same in ["https://example.com/a", "a/b", "//example.com/a", ""] {
            assert_eq!(go(same), same);
        }
    }
}
