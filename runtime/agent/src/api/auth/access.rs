//! What a request needs: a verb, and the subresources of Node of which one must be allowed (KEP-2862). Pure.

/// What stands for everything.
const PROXY: &str = "proxy";

/// A question for the API server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Access {
    pub verb: &'static str,
    /// The one that fits best is first.
    pub subresources: Vec<&'static str>,
}

/// As the kubelet maps methods and paths.
pub(super) fn access(method: &str, path: &str) -> Access {
    let verb = match method {
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "get",
    };
    let subresources = match path.split('/').nth(1).unwrap_or_default() {
        "stats" => vec!["stats"],
        "metrics" => vec!["metrics"],
        "logs" => vec!["log"],
        "checkpoint" => vec!["checkpoint"],
        "pods" | "runningpods" => vec!["pods", PROXY],
        "healthz" => vec!["healthz", PROXY],
        "configz" => vec!["configz", PROXY],
        _ => vec![PROXY],
    };
    Access { verb, subresources }
}

#[cfg(test)]
mod tests {
    use super::access;

    #[test]
    fn requests_need_what_the_kubelet_says() {
        for (method, path, verb, subresources) in [
            ("GET", "/stats/summary", "get", &["stats"][..]),
            ("GET", "/metrics", "get", &["metrics"]),
            ("GET", "/metrics/resource", "get", &["metrics"]),
            ("GET", "/metricsandmore", "get", &["proxy"]),
            ("GET", "/logs/syslog", "get", &["log"]),
            ("POST", "/checkpoint/a/b/c", "create", &["checkpoint"]),
            ("GET", "/pods", "get", &["pods", "proxy"]),
            ("GET", "/runningpods/", "get", &["pods", "proxy"]),
            ("HEAD", "/healthz", "get", &["healthz", "proxy"]),
            ("GET", "/configz", "get", &["configz", "proxy"]),
            ("POST", "/exec/a/b/c", "create", &["proxy"]),
            ("GET", "/containerLogs/a/b/c", "get", &["proxy"]),
            ("DELETE", "/actors/agent", "delete", &["proxy"]),
            ("PUT", "", "update", &["proxy"]),
            ("PATCH", "//stats", "patch", &["proxy"]),
        ] {
            let found = access(method, path);
            assert_eq!((found.verb, &*found.subresources), (verb, subresources), "{method} {path}");
        }
    }
}
