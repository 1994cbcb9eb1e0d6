//! Sees that a container's image is there: imagePullPolicy and imagePullSecrets.

use super::{Place, objects};
use crate::events::Note;
use base64::Engine;
use k8s_openapi::api::core::v1::Secret;
use podium_lifecycle::ImageFailure;
use podium_oci::{Credentials, Image, Progress, PullError};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// How often a long pull tells how far it is.
const TELL: Duration = Duration::from_secs(15);

/// The image of a container, pulled where the policy asks for it.
pub(super) async fn ensure(place: &Place, container: &str) -> Result<Image, ImageFailure> {
    let Some(spec) = place.container(container) else {
        return Err(failure("ErrImagePull", format!("no container {container}")));
    };
    let reference = spec.image.as_deref().unwrap_or_default();
    let policy = spec.image_pull_policy.as_deref().unwrap_or(default_policy(reference));
    let here = if policy == "Always" { None } else { place.shared.images.get(reference) };
    if let Some(image) = here {
        note(place, container, false, "Pulled", format!("Container image \"{reference}\" already present on machine"));
        return Ok(image);
    }
    if policy == "Never" {
        let message = format!("Container image \"{reference}\" is not present with pull policy of Never");
        note(place, container, true, "ErrImageNeverPull", message.clone());
        return Err(failure("ErrImageNeverPull", message));
    }
    note(place, container, false, "Pulling", format!("Pulling image \"{reference}\""));
    let began = Instant::now();
    let credentials = credentials(place, reference).await;
    // Nobody closes the queue.
    let _turn = place.shared.pulls.acquire().await;
    let fetching = Instant::now();
    let mut told = fetching;
    let tell = |progress: Progress| {
        if told.elapsed() >= TELL && progress.done < progress.total {
            told = Instant::now();
            let Progress { done, total } = progress;
            note(place, container, false, "Pulling", format!("Pulling image \"{reference}\": {done} of {total} bytes"));
        }
    };
    match place.shared.images.pull(reference, credentials, tell).await {
        Ok(image) => {
            let (took, waited) = (fetching.elapsed().as_millis(), began.elapsed().as_millis());
            let message = format!(
                "Successfully pulled image \"{reference}\" in {took}ms ({waited}ms including waiting). Image size: {} bytes.",
                image.size
            );
            note(place, container, false, "Pulled", message);
            Ok(image)
        }
        Err(error) => {
            let reason = match &error {
                PullError::InvalidName { .. } => "InvalidImageName",
                _ => "ErrImagePull",
            };
            note(place, container, true, "Failed", format!("Failed to pull image \"{reference}\": {error}"));
            note(place, container, true, "Failed", format!("Error: {reason}"));
            Err(failure(reason, error.to_string()))
        }
    }
}

fn failure(reason: &str, message: String) -> ImageFailure {
    ImageFailure { reason: reason.to_owned(), message }
}

fn note(place: &Place, container: &str, warning: bool, reason: &str, message: String) {
    let (pod, container, reason) = (place.pod.clone(), Some(container.to_owned()), reason.to_owned());
    place.shared.recorder.record(Note { pod, container, warning, reason, message });
}

/// The API server sets the policy; this holds for pods that went around it.
fn default_policy(reference: &str) -> &'static str {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    let latest = !reference.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    if latest { "Always" } else { "IfNotPresent" }
}

async fn credentials(place: &Place, reference: &str) -> Option<Credentials> {
    let names: BTreeSet<String> = place.spec()?.image_pull_secrets.iter().flatten().map(|r| r.name.clone()).collect();
    if names.is_empty() {
        return None;
    }
    let registry = registry(reference);
    let secrets = objects::secrets(place, names).await.ok()?;
    secrets.values().find_map(|secret| login(secret, registry))
}

/// The host that a reference names.
fn registry(reference: &str) -> &str {
    match reference.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

/// Credentials for `registry` in a Secret of type dockerconfigjson (or the older dockercfg).
fn login(secret: &Secret, registry: &str) -> Option<Credentials> {
    let data = secret.data.as_ref()?;
    let auths = match data.get(".dockerconfigjson") {
        Some(text) => serde_json::from_slice::<serde_json::Value>(&text.0).ok()?.get("auths")?.clone(),
        None => serde_json::from_slice(&data.get(".dockercfg")?.0).ok()?,
    };
    let matches = |key: &str| {
        let key = key.trim_start_matches("https://").trim_start_matches("http://");
        let host = key.split('/').next().unwrap_or(key);
        host == registry || registry == "docker.io" && host.ends_with("docker.io")
    };
    let (_, entry) = auths.as_object()?.iter().find(|(key, _)| matches(key))?;
    let text = |name: &str| entry.get(name).and_then(|v| v.as_str()).map(str::to_owned);
    if let (Some(username), Some(password)) = (text("username"), text("password")) {
        return Some(Credentials { username, password });
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(text("auth")?).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (username, password) = decoded.split_once(':')?;
    Some(Credentials { username: username.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;

    #[test]
    fn policy_follows_the_tag() {
        for (reference, expected) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.29", "IfNotPresent"),
            ("localhost:5000/nginx", "Always"),
            ("localhost:5000/nginx:1", "IfNotPresent"),
            ("nginx@sha256:00", "IfNotPresent"),
        ] {
            assert_eq!(default_policy(reference), expected, "{reference}");
        }
    }

    #[test]
    fn credentials_are_found_by_registry() {
        let auth = base64::engine::general_purpose::STANDARD.encode("user:pa:ss");
        let json = format!(
            r#"{{"auths":{{"https://index.docker.io/v1/":{{"auth":"{auth}"}},"localhost:5000":{{"username":"u","password":"p"}}}}}}"#
        );
        let data = [(".dockerconfigjson".to_owned(), ByteString(json.into_bytes()))].into();
        let secret = Secret { data: Some(data), ..Secret::default() };
        let found = |reference: &str| login(&secret, registry(reference)).map(|c| (c.username, c.password));
        assert_eq!(found("team/app:1"), Some(("user".to_owned(), "pa:ss".to_owned())));
        assert_eq!(found("localhost:5000/app"), Some(("u".to_owned(), "p".to_owned())));
        assert_eq!(found("other.example/app"), None);
    }
}
