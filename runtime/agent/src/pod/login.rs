//! Credentials for a registry: from the pod's imagePullSecrets, then from the node's own docker configuration. Which of
//! them fit an image is said as Kubernetes says it. Pure.

use base64::Engine;
use k8s_openapi::api::core::v1::Secret;
use podium_oci::Credentials;
use serde_json::{Map, Value};

/// What an image without a host is pulled from.
const DOCKER: &str = "docker.io";
/// What docker's own login writes for it.
const DOCKER_INDEX: &str = "index.docker.io";

/// Entries of a docker configuration (`config.json`): registry, maybe with a path, to credentials.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Logins(Vec<(String, Credentials)>);

impl Logins {
    /// A Secret of type dockerconfigjson, or of the older dockercfg.
    pub fn of_secret(secret: &Secret) -> Self {
        let Some(data) = &secret.data else { return Self::default() };
        if let Some(text) = data.get(".dockerconfigjson") {
            return Self::of_config(&text.0);
        }
        let entries = data.get(".dockercfg").and_then(|text| serde_json::from_slice(&text.0).ok());
        Self::of_entries(entries.unwrap_or_default())
    }

    /// The text of a `config.json`.
    pub fn of_config(text: &[u8]) -> Self {
        let config: Value = serde_json::from_slice(text).unwrap_or_default();
        Self::of_entries(config["auths"].as_object().cloned().unwrap_or_default())
    }

    /// What stands below `auths`.
    pub fn of_entries(entries: Map<String, Value>) -> Self {
        Self(entries.into_iter().filter_map(|(key, entry)| Some((bare(&key), credentials(&entry)?))).collect())
    }

    /// Those that fit the image, the most exact first.
    pub fn fitting(&self, reference: &str) -> Vec<Credentials> {
        let image = whole(reference);
        let mut found: Vec<_> = self.0.iter().filter(|(key, _)| fits(key, &image)).collect();
        found.sort_by(|(a, _), (b, _)| b.cmp(a));
        found.into_iter().map(|(_, credentials)| credentials.clone()).collect()
    }
}

/// Whether what is written as `key` speaks for an image.
pub(super) fn covers(key: &str, reference: &str) -> bool {
    fits(&bare(key), &whole(reference))
}

/// Without a scheme, and with docker's own registry under one name.
fn bare(key: &str) -> String {
    let key = key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    match (host, path) {
        (DOCKER_INDEX | DOCKER, _) => DOCKER.to_owned(),
        // Versions of the registry's API are no part of a name.
        (host, "" | "v1" | "v2") => host.to_owned(),
        (host, path) => format!("{host}/{path}"),
    }
}

/// The reference with its host.
fn whole(reference: &str) -> String {
    match reference.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => bare(reference),
        _ => format!("{DOCKER}/{reference}"),
    }
}

/// Hosts fit part by part, where `*` stands for any; ports fit exactly; a path fits by its beginning.
fn fits(key: &str, image: &str) -> bool {
    let split = |text: &str| {
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        let (name, port) = host.split_once(':').unwrap_or((host, ""));
        (name.to_owned(), port.to_owned(), path.to_owned())
    };
    let ((key_name, key_port, key_path), (name, port, path)) = (split(key), split(image));
    let (key_parts, parts): (Vec<_>, Vec<_>) = (key_name.split('.').collect(), name.split('.').collect());
    let part = |(key, part): (&&str, &&str)| match key.split_once('*') {
        Some((before, after)) => {
            part.len() >= before.len() + after.len() && part.starts_with(before) && part.ends_with(after)
        }
        None => key == part,
    };
    let host = key_parts.len() == parts.len() && key_parts.iter().zip(&parts).all(part);
    // Docker's registry is one, whatever stands behind its host.
    host && key_port == port && (key_name == DOCKER || path.starts_with(&key_path))
}

fn credentials(entry: &Value) -> Option<Credentials> {
    let text = |name: &str| entry[name].as_str().map(str::to_owned);
    if let (Some(username), Some(password)) = (text("username"), text("password")) {
        return Some(Credentials { username, password });
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(text("auth")?).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (username, password) = decoded.split_once(':')?;
    Some(Credentials { username: username.to_owned(), password: password.trim_end_matches(['\0', '\n']).to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;
    use serde_json::json;

    #[test]
    fn credentials_fit_as_in_kubernetes() {
        for (key, image, expected) in [
            ("https://index.docker.io/v1/", "team/app:1", true),
            ("docker.io", "nginx", true),
            ("docker.io", "docker.io/library/nginx", true),
            ("localhost:5000", "localhost:5000/app", true),
            ("localhost", "localhost:5000/app", false),
            ("https://r.example/v2/", "r.example/app", true),
            ("r.example/team", "r.example/team/app", true),
            ("r.example/team", "r.example/other/app", false),
            ("*.example.com", "r.example.com/app", true),
            ("*.example.com", "a.b.example.com/app", false),
            ("r*.example.com", "reg.example.com/app", true),
            ("r*.example.com", "x.example.com/app", false),
            ("other.example", "r.example/app", false),
        ] {
            assert_eq!(fits(&bare(key), &whole(image)), expected, "{key} {image}");
        }
    }

    #[test]
    fn secrets_are_read_and_the_most_exact_is_first() {
        let auth = base64::engine::general_purpose::STANDARD.encode("user:pa:ss");
        let config = json!({ "auths": {
            "r.example": { "username": "whole", "password": "p" },
            "r.example/team": { "auth": auth },
            "broken.example": { "auth": "%" },
        } });
        let secret = |key: &str, value: &Value| Secret {
            data: Some([(key.to_owned(), ByteString(value.to_string().into_bytes()))].into()),
            ..Secret::default()
        };
        let logins = Logins::of_secret(&secret(".dockerconfigjson", &config));
        let names = |image: &str| logins.fitting(image).into_iter().map(|c| c.username).collect::<Vec<_>>();
        assert_eq!(names("r.example/team/app"), ["user", "whole"]);
        assert_eq!(logins.fitting("r.example/team/app")[0].password, "pa:ss");
        assert_eq!(names("r.example/app"), ["whole"]);
        assert!(names("broken.example/app").is_empty());
        assert_eq!(Logins::of_secret(&secret(".dockercfg", &config["auths"])), logins);
        assert_eq!(Logins::of_secret(&Secret::default()), Logins::default());
        assert_eq!(Logins::of_config(b"no json"), Logins::default());
    }
}
