//! Pulls from a registry (OCI distribution spec): manifest, config, then the layers that are missing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use oci_client::client::Client;
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, RegistryOperation};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::registry::{Endpoint, RegistryConfig};
use super::store::Store;
use super::{Credentials, Image, Progress, fetch, reference};
use crate::error::{Error, PullError};

/// Layers fetched at once.
const PARALLEL_LAYERS: usize = 3;
/// How often progress is told while bytes come.
const TELL: Duration = Duration::from_millis(200);
/// A config or manifest beyond this is refused (as registries do).
const MAX_DOCUMENT_BYTES: usize = 4 << 20;
/// Layers of an image; overlayfs takes no more of ours.
const MAX_LAYERS: usize = 200;
/// Indexes inside indexes.
const MAX_DEPTH: usize = 3;
/// What we understand.
const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// Manifest or index.
#[derive(Deserialize)]
pub(super) struct Document {
    #[serde(default)]
    pub manifests: Vec<Entry>,
    pub config: Option<Descriptor>,
    #[serde(default)]
    pub layers: Vec<Descriptor>,
}

/// A blob.
#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub digest: String,
    #[serde(default)]
    pub size: u64,
    #[serde(default)]
    pub media_type: String,
}

/// A manifest in an index.
#[derive(Deserialize)]
pub(super) struct Entry {
    pub digest: String,
    pub platform: Option<Platform>,
    #[serde(default)]
    pub annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(super) struct Platform {
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub os: String,
}

/// The entry for this machine; an index without platforms has one for all.
pub(super) fn choose(entries: &[Entry]) -> Option<&Entry> {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let fits = |entry: &&Entry| entry.platform.as_ref().is_some_and(|p| p.os == "linux" && p.architecture == arch);
    entries.iter().find(fits).or_else(|| entries.iter().find(|entry| entry.platform.is_none()))
}

/// Where an image is asked for.
pub(super) struct Source<'a> {
    pub client: Client,
    auth: RegistryAuth,
    pub at: Reference,
    /// As the user wrote it, for messages.
    given: &'a str,
}

pub(super) async fn pull(
    store: &Arc<Store>,
    registries: &RegistryConfig,
    given: &str,
    credentials: Option<Credentials>,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Image, PullError> {
    let wanted = reference::parse(given)?;
    // What it brings stays until the image is whole.
    let keeper = store.clone();
    let _kept = tokio::task::spawn_blocking(move || keeper.keep()).await.map_err(|e| Error::Shim(e.to_string()))??;
    let mut failure = PullError::NotFound(given.to_owned());
    for endpoint in registries.endpoints(wanted.registry()) {
        let source = source(registries, &endpoint, &wanted, given, credentials.as_ref())?;
        match source.pull(store, &wanted, &mut progress).await {
            Ok(image) => return Ok(image),
            // A full disk or a broken image is not mended by the next mirror's answer.
            Err(error @ (PullError::Local(_) | PullError::Corrupt { .. })) => return Err(error),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn source<'a>(
    registries: &RegistryConfig,
    endpoint: &Endpoint,
    wanted: &Reference,
    given: &'a str,
    credentials: Option<&Credentials>,
) -> Result<Source<'a>, PullError> {
    let (host, repository) = (endpoint.host.clone(), wanted.repository().to_owned());
    let at = match (wanted.digest(), wanted.tag()) {
        (Some(digest), _) => Reference::with_digest(host, repository, digest.to_owned()),
        (None, tag) => Reference::with_tag(host, repository, tag.unwrap_or("latest").to_owned()),
    };
    let auth = registries.auth(endpoint, wanted.registry(), credentials);
    Ok(Source { client: registries.client(endpoint)?, auth, at, given })
}

impl Source<'_> {
    async fn pull(
        &self,
        store: &Arc<Store>,
        wanted: &Reference,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<Image, PullError> {
        self.client.auth(&self.at, &self.auth, RegistryOperation::Pull).await.map_err(|error| self.failed(error))?;
        let (document, digest) = self.manifest().await?;
        let (Some(config), layers) = (document.config, document.layers) else {
            return Err(self.corrupt("it has no config"));
        };
        let config_bytes = self.blob(&config).await?;
        let (image_config, diff_ids) = super::load::parse_config(&config_bytes).map_err(|error| self.broken(error))?;
        if diff_ids.len() != layers.len() || layers.len() > MAX_LAYERS {
            return Err(self.corrupt("its config does not fit its layers"));
        }
        let total = layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.size));
        let received = AtomicU64::new(0);
        let jobs = layers.into_iter().zip(diff_ids.clone()).map(|(blob, diff_id)| {
            let (store, received) = (store.clone(), &received);
            async move { self.layer(store, &blob, diff_id, received).await }
        });
        let mut jobs = stream::iter(jobs).buffer_unordered(PARALLEL_LAYERS);
        let mut tick = tokio::time::interval(TELL);
        loop {
            tokio::select! {
                job = jobs.try_next() => if job?.is_none() { break },
                _ = tick.tick() => progress(Progress { done: received.load(Relaxed).min(total), total }),
            }
        }
        drop(jobs);
        progress(Progress { done: total, total });
        let name = reference::name(wanted);
        let image = super::load::image(store, config.digest, image_config, diff_ids)?;
        let repository = format!("{}/{}", wanted.registry(), wanted.repository());
        let image = Image { repo_digest: Some(format!("{repository}@{digest}")), ..image };
        Ok(store.add_image(image, Some(&name))?)
    }

    /// The manifest for this machine, and the digest the name stands for (an index' own, if it is one).
    async fn manifest(&self) -> Result<(Document, String), PullError> {
        let (mut at, mut outer) = (self.at.clone(), None);
        for _ in 0..MAX_DEPTH {
            let answer = self.client.pull_manifest_raw(&at, &self.auth, &MANIFESTS).await;
            let (bytes, _) = answer.map_err(|error| self.failed(error))?;
            let digest = digest_of(&bytes);
            if at.digest().is_some_and(|wanted| wanted != digest) {
                return Err(self.corrupt(&format!("manifest has digest {digest}")));
            }
            let outer_digest = outer.get_or_insert(digest).clone();
            if bytes.len() > MAX_DOCUMENT_BYTES {
                return Err(self.corrupt("manifest is too large"));
            }
            let document: Document = serde_json::from_slice(&bytes).map_err(|error| self.broken(error))?;
            if document.config.is_some() {
                return Ok((document, outer_digest));
            }
            let entry = choose(&document.manifests)
                .ok_or_else(|| PullError::NotFound(format!("{} for this platform", self.given)))?;
            at = self.at.clone_with_digest(entry.digest.clone());
        }
        Err(self.corrupt("indexes are nested too deeply"))
    }

    /// A small blob, checked.
    async fn blob(&self, blob: &Descriptor) -> Result<Vec<u8>, PullError> {
        let mut stream = self.open(blob).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = stream.try_next().await.map_err(|error| self.interrupted(error))? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > MAX_DOCUMENT_BYTES {
                return Err(self.corrupt("config is too large"));
            }
        }
        let digest = digest_of(&bytes);
        if digest != blob.digest {
            return Err(self.corrupt(&format!("config has digest {digest}, not {}", blob.digest)));
        }
        Ok(bytes)
    }

    pub fn failed(&self, error: OciDistributionError) -> PullError {
        let name = self.given.to_owned();
        match error {
            OciDistributionError::ImageManifestNotFoundError(_) => PullError::NotFound(name),
            OciDistributionError::AuthenticationFailure(_) | OciDistributionError::UnauthorizedError { .. } => {
                PullError::Unauthorized(name)
            }
            OciDistributionError::RegistryError { envelope, url } => {
                let has = |code: &[OciErrorCode]| envelope.errors.iter().any(|error| code.contains(&error.code));
                if has(&[OciErrorCode::ManifestUnknown, OciErrorCode::NameUnknown, OciErrorCode::NotFound]) {
                    PullError::NotFound(name)
                } else if has(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) {
                    PullError::Unauthorized(name)
                } else {
                    PullError::Unavailable(format!("{url}: {envelope}"))
                }
            }
            OciDistributionError::ServerError { code: 404, .. } => PullError::NotFound(name),
            OciDistributionError::ServerError { code: 401 | 403, .. } => PullError::Unauthorized(name),
            OciDistributionError::DigestError(error) => self.corrupt(&error.to_string()),
            other => PullError::Unavailable(format!("{}: {other}", self.at.registry())),
        }
    }

    fn interrupted(&self, error: io::Error) -> PullError {
        let text = error.to_string();
        if fetch::is_mismatch(&text) { self.corrupt(&text) } else { PullError::Unavailable(text) }
    }

    pub fn corrupt(&self, reason: &str) -> PullError {
        PullError::Corrupt { reference: self.given.to_owned(), reason: reason.to_owned() }
    }

    fn broken(&self, error: impl std::fmt::Display) -> PullError {
        self.corrupt(&error.to_string())
    }
}

pub(super) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
