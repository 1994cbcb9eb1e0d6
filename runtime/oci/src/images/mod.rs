//! Images: names and credentials, pulling, loading, storing, mounting.
//!
//! Layers are unpacked once, each into a directory of its own in overlayfs form, and shared by all images that have
//! them. Deliberately absent: building and pushing.

mod fetch;
mod layer;
mod load;
mod mount;
mod pull;
mod reference;
mod registry;
mod store;
mod unpack;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use mount::{MAPPED, unmount};
pub use reference::normalize;
pub use registry::{Auth, Endpoints, RegistryConfig, Server, Tls};

use crate::error::{PullError, Result};
use store::Store;

/// The node's images. Cheap to clone; several processes may use one directory at once.
#[derive(Clone)]
pub struct Images {
    store: Arc<Store>,
    registries: Arc<RegistryConfig>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Digest of its config, `sha256:…`: the image ID.
    pub id: String,
    /// `repository@sha256:…` of its manifest, when it came from a registry.
    pub repo_digest: Option<String>,
    /// Normalised names.
    pub names: Vec<String>,
    /// Bytes of its unpacked layers.
    pub size: u64,
    /// How to run it.
    pub config: ImageConfig,
    /// Digests of its uncompressed layers, lowest first.
    pub layers: Vec<String>,
}

/// What an image says about running it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// Environment.
    pub env: Vec<(String, String)>,
    /// ENTRYPOINT.
    pub entrypoint: Vec<String>,
    /// CMD.
    pub cmd: Vec<String>,
    /// USER: name or id, `:group` or not; empty is root. See [`crate::user::resolve`].
    pub user: String,
    /// WORKDIR; empty is `/`.
    pub working_dir: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// STOPSIGNAL.
    pub stop_signal: Option<String>,
    /// EXPOSEd ports, like `80/tcp`.
    pub exposed_ports: Vec<String>,
}

/// Name and password for a registry, from an imagePullSecret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: String,
}

/// How far a pull is, in compressed bytes; layers that are here already count as done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that arrived.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

impl Images {
    /// Opens or makes the store in `root`.
    pub fn open(root: &Path, registries: RegistryConfig) -> Result<Images> {
        Ok(Images { store: Arc::new(Store::open(root)?), registries: Arc::new(registries) })
    }

    /// Fetches an image from its registry or a mirror. What is here already is not fetched again; every digest is
    /// checked.
    pub async fn pull(
        &self,
        reference: &str,
        credentials: Option<Credentials>,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Image, PullError> {
        pull::pull(&self.store, &self.registries, reference, credentials, progress).await
    }

    /// Takes the images of an OCI layout or docker archive (a tar, maybe gzipped). Returns their names.
    pub async fn load(&self, tar: &Path) -> Result<Vec<String>> {
        let (store, tar) = (self.store.clone(), tar.to_owned());
        tokio::task::spawn_blocking(move || load::load(&store, &tar))
            .await
            .map_err(|error| crate::Error::Shim(error.to_string()))?
    }

    /// An image by name, image ID or `repository@digest`.
    pub fn get(&self, reference: &str) -> Option<Image> {
        self.store.get(reference)
    }

    /// All images, by name.
    pub fn list(&self) -> Vec<Image> {
        self.store.list()
    }

    /// Bytes of all unpacked layers.
    pub fn used_bytes(&self) -> u64 {
        self.store.used_bytes()
    }

    /// Removes a name; the image goes with its last name. By image ID: all names. Its layers go when no other image
    /// has them; do not remove what a container uses.
    pub fn remove(&self, reference: &str) -> Result<()> {
        self.store.remove(reference)
    }

    /// Removes layers that no image has (of broken pulls); returns how many. While something is being pulled or loaded,
    /// none.
    pub fn collect_garbage(&self) -> Result<usize> {
        self.store.collect_garbage()
    }

    /// Mounts the image with a writable layer at `container_dir/rootfs` and returns that path; mounted already is
    /// fine. Upper and work directories lie beside it. Undo with [`unmount`].
    pub fn mount(&self, image: &Image, container_dir: &Path) -> Result<PathBuf> {
        mount::mount(&self.store, image, container_dir, None)
    }

    /// The same for the root of the user namespace mounted at `users`, who is `base` on the host.
    pub fn mount_mapped(&self, image: &Image, container_dir: &Path, users: &Path, base: u32) -> Result<PathBuf> {
        mount::mount(&self.store, image, container_dir, Some((users, base)))
    }
}
