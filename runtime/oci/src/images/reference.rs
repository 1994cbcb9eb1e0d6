//! Image names: `nginx` means `docker.io/library/nginx:latest`.

use oci_client::Reference;

use crate::error::PullError;

/// The full name: registry, repository, and tag or digest. A tag beside a digest is dropped, as it decides nothing.
pub fn normalize(reference: &str) -> Result<String, PullError> {
    Ok(name(&parse(reference)?))
}

pub(super) fn parse(reference: &str) -> Result<Reference, PullError> {
    let invalid = |reason: String| PullError::InvalidName { reference: reference.to_owned(), reason };
    if reference.trim() != reference {
        return Err(invalid("it has blanks around it".to_owned()));
    }
    reference.parse().map_err(|error: oci_client::ParseError| invalid(error.to_string()))
}

pub(super) fn name(reference: &Reference) -> String {
    let base = format!("{}/{}", reference.registry(), reference.repository());
    match (reference.digest(), reference.tag()) {
        (Some(digest), _) => format!("{base}@{digest}"),
        (None, tag) => format!("{base}:{}", tag.unwrap_or("latest")),
    }
}

#[cfg(test)]
mod tests {
    use super::normalize;

    #[test]
    fn short_names_are_docker_hub() {
        for (short, full) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("me/app:1", "docker.io/me/app:1"),
            ("localhost:5000/a/b:v", "localhost:5000/a/b:v"),
            ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ] {
            assert_eq!(normalize(short).unwrap(), full);
        }
        let digest = format!("nginx:1@sha256:{}", "a".repeat(64));
        assert!(normalize(&digest).unwrap().starts_with("docker.io/library/nginx@sha256:"));
        for bad in ["", "Upper/Case", " nginx", "a b", "x@sha256:1"] {
            assert!(normalize(bad).is_err(), "{bad:?}");
        }
    }
}
