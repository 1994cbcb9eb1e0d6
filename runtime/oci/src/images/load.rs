//! Images from a tar: an OCI layout, or what `docker save` writes.
//!
//! The tar is indexed once and read in place; a compressed one is unpacked to a temporary file first.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::pull::{Document, choose, digest_of};
use super::store::Store;
use super::unpack::{self, Budget, MAX_HEADER_BYTES, Metered};
use super::{Image, ImageConfig, layer, reference};
use crate::error::{Context, Error, Result};

/// Documents in an archive beyond this are refused.
const MAX_DOCUMENT_BYTES: u64 = 4 << 20;
/// An archive with more members is refused.
const MAX_MEMBERS: usize = 100_000;
/// Links from one member to another that are followed.
const MAX_LINKS: usize = 8;
/// Indexes inside indexes.
const MAX_DEPTH: usize = 3;

/// An image's config document.
#[derive(Deserialize)]
struct ConfigFile {
    #[serde(default)]
    config: Option<RunConfig>,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RunConfig {
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    user: Option<String>,
    working_dir: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    stop_signal: Option<String>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
}

/// One image in docker's manifest.json.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

/// What a config document says, and the layers' digests.
pub(super) fn parse_config(bytes: &[u8]) -> Result<(ImageConfig, Vec<String>)> {
    let file: ConfigFile =
        serde_json::from_slice(bytes).map_err(|error| Error::Invalid(format!("invalid image config: {error}")))?;
    let run = file.config.unwrap_or_default();
    let variable = |entry: String| match entry.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (entry, String::new()),
    };
    let config = ImageConfig {
        env: run.env.unwrap_or_default().into_iter().map(variable).collect(),
        entrypoint: run.entrypoint.unwrap_or_default(),
        cmd: run.cmd.unwrap_or_default(),
        user: run.user.unwrap_or_default(),
        working_dir: run.working_dir.unwrap_or_default(),
        labels: run.labels.unwrap_or_default(),
        stop_signal: run.stop_signal.filter(|signal| !signal.is_empty()),
        exposed_ports: run.exposed_ports.unwrap_or_default().into_keys().collect(),
    };
    Ok((config, file.rootfs.diff_ids))
}

/// An image whose layers are in the store.
pub(super) fn image(store: &Store, id: String, config: ImageConfig, layers: Vec<String>) -> Result<Image> {
    let mut size = 0;
    for layer in &layers {
        size += store.layer_size(layer)?;
    }
    Ok(Image { id, repo_digest: None, names: Vec::new(), size, config, layers })
}

pub(super) fn load(store: &Store, path: &Path) -> Result<Vec<String>> {
    let archive = Archive::open(path)?;
    let _kept = store.keep()?;
    if archive.has("index.json") {
        let index: Document = archive.document("index.json")?;
        let mut names = Vec::new();
        for entry in &index.manifests {
            let name = ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
                .iter()
                .find_map(|key| entry.annotations.get(*key));
            names.extend(load_oci(store, &archive, &entry.digest, name)?);
        }
        // An index of several architectures without names is one image.
        if !names.is_empty() || !archive.has("manifest.json") {
            return Ok(names);
        }
    }
    if !archive.has("manifest.json") {
        return Err(Error::Invalid(format!("{} is neither an OCI layout nor a docker archive", path.display())));
    }
    let mut names = Vec::new();
    for docker in archive.document::<Vec<DockerImage>>("manifest.json")? {
        names.extend(load_docker(store, &archive, docker)?);
    }
    Ok(names)
}

fn load_oci(store: &Store, archive: &Archive, digest: &str, name: Option<&String>) -> Result<Vec<String>> {
    let mut digest = digest.to_owned();
    for _ in 0..MAX_DEPTH {
        let bytes = archive.blob(&digest)?;
        let document: Document =
            serde_json::from_slice(&bytes).map_err(|error| Error::Invalid(format!("invalid manifest: {error}")))?;
        if let Some(config) = document.config {
            let (run, diff_ids) = parse_config(&archive.blob(&config.digest)?)?;
            if diff_ids.len() != document.layers.len() {
                return Err(Error::Invalid("image config does not fit its layers".to_owned()));
            }
            for (blob, diff_id) in document.layers.iter().zip(&diff_ids) {
                let reader = archive.reader(&blob_path(&blob.digest))?;
                layer::store(store, reader, Some(&blob.digest), diff_id)?;
            }
            return keep(store, image(store, config.digest, run, diff_ids)?, name.into_iter());
        }
        // Another machine's image is passed over.
        let Some(entry) = choose(&document.manifests) else { return Ok(Vec::new()) };
        digest = entry.digest.clone();
    }
    Err(Error::Invalid("indexes are nested too deeply".to_owned()))
}

fn load_docker(store: &Store, archive: &Archive, docker: DockerImage) -> Result<Vec<String>> {
    let bytes = archive.bytes(&docker.config)?;
    let (run, diff_ids) = parse_config(&bytes)?;
    if diff_ids.len() != docker.layers.len() {
        return Err(Error::Invalid("image config does not fit its layers".to_owned()));
    }
    for (path, diff_id) in docker.layers.iter().zip(&diff_ids) {
        layer::store(store, archive.reader(path)?, None, diff_id)?;
    }
    keep(store, image(store, digest_of(&bytes), run, diff_ids)?, docker.repo_tags.iter().flatten())
}

/// Records the image under each name, or under none.
fn keep<'a>(store: &Store, image: Image, names: impl Iterator<Item = &'a String>) -> Result<Vec<String>> {
    let mut kept = Vec::new();
    for name in names {
        let name = reference::normalize(name).map_err(|error| Error::Invalid(error.to_string()))?;
        store.add_image(image.clone(), Some(&name))?;
        kept.push(name);
    }
    if kept.is_empty() {
        kept.push(image.id.clone());
        store.add_image(image, None)?;
    }
    Ok(kept)
}

fn blob_path(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

/// A tar's members by path.
struct Archive {
    file: File,
    members: BTreeMap<String, Member>,
}

enum Member {
    At { offset: u64, size: u64 },
    Link(String),
}

impl Archive {
    fn open(path: &Path) -> Result<Archive> {
        let mut file = File::open(path).at("open", path)?;
        let mut magic = [0; 4];
        let length = file.read(&mut magic).at("read", path)?;
        file.rewind().at("read", path)?;
        if matches!(magic[..length], [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd]) {
            let mut plain = tempfile::tempfile().context(|| "create temporary file".to_owned())?;
            let room = unpack::room(&std::env::temp_dir()).at("look at the room for", path)?;
            let mut reader = layer::decompress(file).at("read", path)?.take(room);
            if io::copy(&mut reader, &mut plain).at("unpack", path)? == room {
                return Err(Error::Invalid(format!("{} is too large to be unpacked here", path.display())));
            }
            drop(reader);
            file = plain;
        }
        file.seek(SeekFrom::Start(0)).at("read", path)?;
        let mut members = BTreeMap::new();
        let budget = Budget::default();
        let mut tar = tar::Archive::new(Metered::new(&file, budget.clone(), u64::MAX));
        budget.set(MAX_HEADER_BYTES);
        for entry in tar.entries_with_seek().at("read", path)? {
            let entry = entry.at("read", path)?;
            budget.set(MAX_HEADER_BYTES);
            if members.len() == MAX_MEMBERS {
                return Err(Error::Invalid(format!("{} has too many members", path.display())));
            }
            let name = clean(&entry.path().at("read", path)?);
            let kind = entry.header().entry_type();
            if kind.is_file() || kind.is_contiguous() {
                members.insert(name, Member::At { offset: entry.raw_file_position(), size: entry.size() });
            } else if let (true, Some(target)) =
                (kind.is_symlink() || kind.is_hard_link(), entry.link_name().at("read", path)?)
            {
                // A symlink is relative to its directory, a hard link to the archive.
                let base = if kind.is_symlink() { Path::new(&name).parent() } else { None };
                members.insert(name.clone(), Member::Link(clean(&base.unwrap_or(Path::new("")).join(target))));
            }
        }
        Ok(Archive { file, members })
    }

    fn has(&self, path: &str) -> bool {
        self.members.contains_key(path)
    }

    fn find(&self, path: &str) -> Result<(u64, u64)> {
        let mut path = clean(Path::new(path));
        for _ in 0..MAX_LINKS {
            match self.members.get(&path) {
                Some(Member::At { offset, size }) => return Ok((*offset, *size)),
                Some(Member::Link(target)) => path = target.clone(),
                None => break,
            }
        }
        Err(Error::Invalid(format!("the archive lacks {path}")))
    }

    fn reader(&self, path: &str) -> Result<Window<'_>> {
        let (offset, left) = self.find(path)?;
        Ok(Window { file: &self.file, offset, left })
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        let mut window = self.reader(path)?;
        if window.left > MAX_DOCUMENT_BYTES {
            return Err(Error::Invalid(format!("{path} is too large")));
        }
        let mut bytes = Vec::new();
        window.read_to_end(&mut bytes).context(|| format!("read {path} of the archive"))?;
        Ok(bytes)
    }

    fn document<T: for<'a> Deserialize<'a>>(&self, path: &str) -> Result<T> {
        serde_json::from_slice(&self.bytes(path)?).map_err(|error| Error::Invalid(format!("invalid {path}: {error}")))
    }

    /// A small blob, checked.
    fn blob(&self, digest: &str) -> Result<Vec<u8>> {
        let bytes = self.bytes(&blob_path(digest))?;
        let found = digest_of(&bytes);
        if found == digest { Ok(bytes) } else { Err(Error::Invalid(format!("blob has digest {found}, not {digest}"))) }
    }
}

/// A member's bytes in the file.
struct Window<'a> {
    file: &'a File,
    offset: u64,
    left: u64,
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let length = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        self.offset += length as u64;
        self.left -= length as u64;
        Ok(length)
    }
}

/// A member's path without `.`, `..` and a leading `/`: only a key here, never a path on disk.
fn clean(path: &Path) -> String {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            _ => {}
        }
    }
    clean.to_string_lossy().into_owned()
}
