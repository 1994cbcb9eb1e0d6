//! Sees that a container's image is there: imagePullPolicy and imagePullSecrets.

use super::{Place, login::Logins, objects};
use crate::events::Note;
use podium_lifecycle::ImageFailure;
use podium_oci::{Credentials, Image, Progress, PullError};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// How often a long pull tells how far it is.
const TELL: Duration = Duration::from_secs(15);

/// A docker configuration with the node's credentials, in the data directory; need not exist.
const DOCKER_CONFIG: &str = "config.json";
/// Credentials that are tried for one image.
const MOST_CREDENTIALS: usize = 16;

/// The image of a container, pulled where the policy asks for it.
pub(super) async fn ensure(place: &Place, container: &str) -> Result<Image, ImageFailure> {
    let Some(spec) = place.container(container) else {
        return Err(failure("ErrImagePull", format!("no container {container}")));
    };
    let reference = spec.image.as_deref().unwrap_or_default();
    fetch(place, Some(container), reference, spec.image_pull_policy.as_deref()).await
}

/// An image, for a container or for the pod itself, pulled where the policy asks for it.
pub(super) async fn fetch(
    place: &Place,
    container: Option<&str>,
    reference: &str,
    policy: Option<&str>,
) -> Result<Image, ImageFailure> {
    let policy = policy.unwrap_or(default_policy(reference));
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
    let mut tell = |progress: Progress| {
        if told.elapsed() >= TELL && progress.done < progress.total {
            told = Instant::now();
            let Progress { done, total } = progress;
            note(place, container, false, "Pulling", format!("Pulling image \"{reference}\": {done} of {total} bytes"));
        }
    };
    let mut outcome = Err(PullError::Unauthorized(reference.to_owned()));
    for credentials in credentials {
        outcome = place.shared.images.pull(reference, credentials, &mut tell).await;
        // The next ones may be let in where these are not.
        if !matches!(outcome, Err(PullError::Unauthorized(_))) {
            break;
        }
    }
    match outcome {
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

fn note(place: &Place, container: Option<&str>, warning: bool, reason: &str, message: String) {
    let (pod, container, reason) = (place.pod.clone(), container.map(str::to_owned), reason.to_owned());
    place.shared.recorder.record(Note { pod, container, warning, reason, message });
}

/// The API server sets the policy; this holds for pods that went around it.
fn default_policy(reference: &str) -> &'static str {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    let latest = !reference.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    if latest { "Always" } else { "IfNotPresent" }
}

/// Those to try in turn: the pod's, then the node's, then what its programs say. None where nobody has any.
async fn credentials(place: &Place, reference: &str) -> Vec<Option<Credentials>> {
    let names = place.spec().into_iter().flat_map(|s| s.image_pull_secrets.iter().flatten()).map(|r| r.name.clone());
    let names: BTreeSet<String> = names.collect();
    let secrets =
        if names.is_empty() { BTreeMap::new() } else { objects::secrets(place, names).await.unwrap_or_default() };
    let file = place.shared.config.data_dir.join(DOCKER_CONFIG);
    let own = tokio::fs::read(file).await.map(|text| Logins::of_config(&text)).unwrap_or_default();
    let logins = secrets.values().map(Logins::of_secret).chain([own]);
    let programs = place.shared.credentials.credentials(&place.shared.config.data_dir, reference).await;
    let mut found: Vec<Option<Credentials>> =
        logins.flat_map(|l| l.fitting(reference)).chain(programs).map(Some).collect();
    found.truncate(MOST_CREDENTIALS);
    if found.is_empty() { vec![None] } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
