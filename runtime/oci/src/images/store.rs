//! Images on disk: `layers/<16 hex>/` unpacked layers, `images/<hex>.json` records.
//!
//! Everything arrives by rename, so what is there is whole. `lock` serialises writers of all processes; readers look
//! at the small directory of records each time, so an image loaded by the command line is seen by the agent at once.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use tempfile::TempDir;

use super::fetch::Turns;
use super::{Image, reference};
use crate::error::{Context, Error, Result};

/// Hex digits of a layer's directory name; overlayfs takes about 240 of this length.
const LAYER_NAME: usize = 16;
/// The layer of an image that has none.
const EMPTY: &str = "empty";

pub(super) struct Store {
    root: PathBuf,
    layers: PathBuf,
    turns: Turns,
}

impl Store {
    pub fn open(root: &Path) -> Result<Store> {
        let root = std::path::absolute(root).at("resolve", root)?;
        let store = Store { layers: root.join("layers"), root, turns: Turns::default() };
        for dir in [&store.layers, &store.root.join("images"), &store.root.join("staging")] {
            fs::create_dir_all(dir).at("create", dir)?;
        }
        // Images hold set-user-id programs and nodes of devices: nothing for the node's own users.
        fs::set_permissions(&store.root, fs::Permissions::from_mode(0o700)).at("chmod", &store.root)?;
        Ok(store)
    }

    pub fn turns(&self) -> &Turns {
        &self.turns
    }

    pub fn layers(&self) -> &Path {
        &self.layers
    }

    /// A layer's directory below [`Store::layers`].
    pub fn layer_name(&self, diff_id: &str) -> Result<String> {
        let hex = hex_of(diff_id)?;
        Ok(format!("{}/fs", &hex[..LAYER_NAME]))
    }

    /// An empty directory to mount over, made on demand.
    pub fn empty_layer(&self) -> Result<String> {
        let dir = self.layers.join(EMPTY).join("fs");
        fs::create_dir_all(&dir).at("create", &dir)?;
        Ok(format!("{EMPTY}/fs"))
    }

    pub fn has_layer(&self, diff_id: &str) -> Result<bool> {
        let id = self.layers.join(&hex_of(diff_id)?[..LAYER_NAME]).join("id");
        match fs::read_to_string(&id) {
            Ok(found) if found.split(' ').next() == Some(diff_id) => Ok(true),
            Ok(found) => Err(Error::Invalid(format!("layers {diff_id} and {found} share a name"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).at("read", &id),
        }
    }

    /// Bytes of a layer's files.
    pub fn layer_size(&self, diff_id: &str) -> Result<u64> {
        let id = self.layers.join(&hex_of(diff_id)?[..LAYER_NAME]).join("id");
        let text = fs::read_to_string(&id).at("read", &id)?;
        Ok(text.split(' ').nth(1).and_then(|size| size.parse().ok()).unwrap_or(0))
    }

    /// A directory to unpack into (`fs`), removed unless it becomes a layer.
    pub fn staging(&self) -> Result<TempDir> {
        let parent = self.root.join("staging");
        let dir = TempDir::new_in(&parent).at("create directory in", &parent)?;
        fs::create_dir(dir.path().join("fs")).at("create directory in", dir.path())?;
        fs::set_permissions(dir.path().join("fs"), fs::Permissions::from_mode(0o755)).at("chmod", dir.path())?;
        Ok(dir)
    }

    pub fn add_layer(&self, staging: TempDir, diff_id: &str, size: u64) -> Result<()> {
        let id = staging.path().join("id");
        fs::write(&id, format!("{diff_id} {size}")).at("write", &id)?;
        let target = self.layers.join(&hex_of(diff_id)?[..LAYER_NAME]);
        let _lock = self.lock()?;
        if self.has_layer(diff_id)? {
            // Another pull was faster.
            return Ok(());
        }
        let from = staging.keep();
        fs::rename(&from, &target).at("move layer to", &target)
    }

    /// Adds or completes an image, and gives it `name` alone.
    pub fn add_image(&self, mut image: Image, name: Option<&str>) -> Result<Image> {
        let _lock = self.lock()?;
        if let Some(name) = name {
            for mut other in self.list().into_iter().filter(|other| other.id != image.id) {
                if other.names.iter().any(|known| known == name) {
                    other.names.retain(|known| known != name);
                    self.write(&other)?;
                }
            }
            image.names = vec![name.to_owned()];
        }
        if let Some(known) = self.list().into_iter().find(|known| known.id == image.id) {
            image.names.extend(known.names);
            image.names.sort();
            image.names.dedup();
            image.repo_digest = image.repo_digest.or(known.repo_digest);
        }
        self.write(&image)?;
        Ok(image)
    }

    pub fn get(&self, wanted: &str) -> Option<Image> {
        let name = reference::normalize(wanted).ok();
        self.list().into_iter().find(|image| {
            image.id == wanted
                || image.id.strip_prefix("sha256:") == Some(wanted)
                || name
                    .as_ref()
                    .is_some_and(|name| image.names.contains(name) || image.repo_digest.as_ref() == Some(name))
        })
    }

    pub fn list(&self) -> Vec<Image> {
        let records = fs::read_dir(self.root.join("images")).into_iter().flatten().flatten();
        let mut images: Vec<Image> = records
            .map(|record| record.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok())
            .collect();
        images.sort_by(|a, b| (&a.names, &a.id).cmp(&(&b.names, &b.id)));
        images
    }

    pub fn remove(&self, wanted: &str) -> Result<()> {
        let mut image = self.get(wanted).ok_or_else(|| Error::NotFound(format!("image {wanted}")))?;
        {
            let _lock = self.lock()?;
            let name = reference::normalize(wanted).ok().filter(|name| image.names.contains(name));
            image.names.retain(|known| name.as_ref().is_some_and(|name| name != known));
            if !image.names.is_empty() {
                return self.write(&image);
            }
            let path = self.record(&image.id)?;
            fs::remove_file(&path).at("remove", &path)?;
        }
        self.collect_garbage().map(drop)
    }

    /// Until this is dropped, in whatever process, no layer is removed.
    pub fn keep(&self) -> Result<Flock<File>> {
        self.flock("keep", FlockArg::LockShared)
    }

    pub fn collect_garbage(&self) -> Result<usize> {
        let Ok(_alone) = self.flock("keep", FlockArg::LockExclusiveNonblock) else { return Ok(0) };
        let _lock = self.lock()?;
        let mut used = vec![EMPTY.to_owned()];
        for layer in self.list().iter().flat_map(|image| &image.layers) {
            used.push(hex_of(layer)?[..LAYER_NAME].to_owned());
        }
        let mut removed = 0;
        for entry in fs::read_dir(&self.layers).at("read", &self.layers)?.flatten() {
            if entry.file_name().to_str().is_some_and(|name| !used.iter().any(|used| used == name)) {
                fs::remove_dir_all(entry.path()).at("remove", &entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Bytes of all layers, each counted once.
    pub fn used_bytes(&self) -> u64 {
        let layers: BTreeSet<String> = self.list().into_iter().flat_map(|image| image.layers).collect();
        layers.iter().filter_map(|layer| self.layer_size(layer).ok()).sum()
    }

    fn record(&self, id: &str) -> Result<PathBuf> {
        Ok(self.root.join("images").join(format!("{}.json", hex_of(id)?)))
    }

    fn write(&self, image: &Image) -> Result<()> {
        let path = self.record(&image.id)?;
        let next = path.with_extension("next");
        let bytes = serde_json::to_vec(image).map_err(io::Error::from).at("encode", &path)?;
        fs::write(&next, bytes).at("write", &next)?;
        fs::rename(&next, &path).at("replace", &path)
    }

    fn lock(&self) -> Result<Flock<File>> {
        self.flock("lock", FlockArg::LockExclusive)
    }

    fn flock(&self, name: &str, kind: FlockArg) -> Result<Flock<File>> {
        let path = self.root.join(name);
        let file = File::options().create(true).write(true).truncate(false).open(&path).at("open", &path)?;
        Flock::lock(file, kind).map_err(|(_, error)| error).at("lock", &path)
    }
}

/// The digest's hex digits; it becomes a file name, so nothing else may be in it.
fn hex_of(digest: &str) -> Result<&str> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return Ok(hex);
    }
    Err(Error::Invalid(format!("invalid digest {digest:?}")))
}
