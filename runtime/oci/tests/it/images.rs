//! Pulls from a real registry, archives, and layers that mean harm.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use podium_oci::{Credentials, Endpoints, Images, PullError, RegistryConfig, normalize, unmount};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fixture::{PATIENCE, able};

pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// A member of a tar: path, kind, contents or link.
pub type Member<'a> = (&'a str, tar::EntryType, &'a [u8]);

pub const FILE: tar::EntryType = tar::EntryType::Regular;
const DIR: tar::EntryType = tar::EntryType::Directory;
const SYMLINK: tar::EntryType = tar::EntryType::Symlink;
const LINK: tar::EntryType = tar::EntryType::Link;

/// Names are written as they are: the builder of the tar crate would refuse the bad ones.
pub fn archive(members: &[Member<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, kind, data) in members {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(if kind.is_dir() || path.starts_with("bin/") { 0o755 } else { 0o644 });
        header.set_mtime(1_000_000);
        header.set_uid(0);
        header.set_gid(0);
        let body = if *kind == FILE { *data } else { &[] };
        if *kind == SYMLINK || *kind == LINK {
            header.set_link_name_literal(data).unwrap();
        }
        if *kind == tar::EntryType::Char {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        }
        header.set_size(body.len() as u64);
        header.set_cksum();
        builder.append(&header, body).unwrap();
    }
    builder.into_inner().unwrap()
}

/// An OCI layout as a tar: one image, its layers compressed in different ways, below an index of platforms.
fn layout(name: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let mut blobs: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut add = |bytes: Vec<u8>| {
        let (name, size) = (digest(&bytes), bytes.len());
        blobs.insert(name.clone(), bytes);
        (name, size)
    };
    let mut described = Vec::new();
    for (n, layer) in layers.iter().enumerate() {
        let (bytes, kind) = match n % 3 {
            0 => {
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                gzip.write_all(layer).unwrap();
                (gzip.finish().unwrap(), "tar+gzip")
            }
            1 => (zstd::encode_all(&layer[..], 1).unwrap(), "tar+zstd"),
            _ => (layer.clone(), "tar"),
        };
        let (digest, size) = add(bytes);
        described.push(
            json!({"mediaType": format!("application/vnd.oci.image.layer.v1.{kind}"), "digest": digest, "size": size}),
        );
    }
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "config": {"Env": ["A=1"], "Cmd": ["sh"], "User": "web", "WorkingDir": "/w", "Labels": {"l": "v"}, "ExposedPorts": {"80/tcp": {}}},
        "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|layer| digest(layer)).collect::<Vec<_>>()},
    });
    let (config, size) = add(config.to_string().into_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": size},
        "layers": described,
    });
    let (manifest, size) = add(manifest.to_string().into_bytes());
    let platform = |arch: &str, digest: &str| {
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size,
            "platform": {"os": "linux", "architecture": arch},
        })
    };
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [platform("s390x", &manifest), platform(arch, &manifest)],
    });
    let (index, size) = add(index.to_string().into_bytes());
    let top = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.index.v1+json", "digest": index, "size": size,
        "annotations": {"org.opencontainers.image.ref.name": name},
    }]});
    let mut builder = tar::Builder::new(Vec::new());
    let mut file = |path: String, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, bytes).unwrap();
    };
    file("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#);
    file("index.json".into(), top.to_string().as_bytes());
    for (name, bytes) in &blobs {
        file(format!("blobs/{}", name.replace(':', "/")), bytes);
    }
    builder.into_inner().unwrap()
}

fn base() -> Vec<u8> {
    let busybox = fs::read("/bin/busybox").unwrap();
    archive(&[
        ("bin/", DIR, b""),
        ("bin/busybox", FILE, &busybox),
        ("bin/sh", LINK, b"bin/busybox"),
        ("etc/passwd", FILE, b"web:x:33:33::/:/bin/sh\n"),
        ("gone/old", FILE, b"old"),
        ("full/old", FILE, b"old"),
        ("to-dir", SYMLINK, b"full"),
    ])
}

fn second() -> Vec<u8> {
    archive(&[
        ("gone/.wh.old", FILE, b""),
        ("full/", DIR, b""),
        ("full/.wh..wh..opq", FILE, b""),
        ("full/new", FILE, b"new"),
    ])
}

fn third() -> Vec<u8> {
    archive(&[("third", FILE, b"3"), ("null", tar::EntryType::Char, b"")])
}

/// What an image looks like when mounted.
fn check_mounted(images: &Images, name: &str, dir: &Path) {
    let image = images.get(name).unwrap();
    assert_eq!((image.config.user.as_str(), image.config.cmd.as_slice()), ("web", &["sh".to_owned()][..]));
    assert_eq!(image.config.env, [("A".to_owned(), "1".to_owned())]);
    assert!(image.size > 100_000 && image.names == [normalize(name).unwrap()], "{image:?}");
    let rootfs = images.mount(&image, dir).unwrap();
    assert_eq!(images.mount(&image, dir).unwrap(), rootfs, "again is fine");
    let list = |path: &str| {
        let mut names: Vec<_> =
            fs::read_dir(rootfs.join(path)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(list("gone"), [""; 0]);
    assert_eq!(list("full"), ["new"]);
    assert_eq!(fs::read_to_string(rootfs.join("to-dir/new")).unwrap(), "new");
    assert!(fs::symlink_metadata(rootfs.join("null")).unwrap().file_type().is_char_device());
    let busybox = fs::metadata(rootfs.join("bin/sh")).unwrap();
    assert_eq!((busybox.mode() & 0o7777, busybox.mtime()), (0o755, 1_000_000));
    assert_eq!(podium_oci::user::resolve(&rootfs, "web", &[]).unwrap().uid, 33);
    fs::write(rootfs.join("written"), "x").unwrap();
    unmount(dir).unwrap();
    assert!(!rootfs.exists() && !dir.join("upper").exists());
    unmount(dir).unwrap();
}

#[tokio::test]
async fn archives_load_mount_and_go() {
    let Some(()) = able() else { return };
    let dir = tempfile::tempdir().unwrap();
    let images = Images::open(&dir.path().join("images"), RegistryConfig::default()).unwrap();
    let tar = dir.path().join("image.tar");
    fs::write(&tar, layout("app:1", &[base(), second(), third()])).unwrap();
    assert_eq!(images.load(&tar).await.unwrap(), ["docker.io/library/app:1"]);
    check_mounted(&images, "app:1", &dir.path().join("c"));
    // A second image shares the base; removing the first keeps it.
    fs::write(&tar, layout("app:2", &[base()])).unwrap();
    images.load(&tar).await.unwrap();
    let layers = || fs::read_dir(dir.path().join("images/layers")).unwrap().count();
    assert_eq!((images.list().len(), layers()), (2, 3));
    images.remove("app:1").unwrap();
    assert_eq!((images.list().len(), layers()), (1, 1));
    assert!(images.remove("app:1").is_err());
    images.remove("app:2").unwrap();
    assert_eq!((images.list().len(), layers()), (0, 0));
    // docker save's form, gzipped.
    let config =
        json!({"config": {"Cmd": ["x"]}, "rootfs": {"type": "layers", "diff_ids": [digest(&third())]}}).to_string();
    let manifest = json!([{"Config": "c.json", "RepoTags": ["old:3"], "Layers": ["l/layer.tar"]}]).to_string();
    let docker = archive(&[
        ("c.json", FILE, config.as_bytes()),
        ("l/layer.tar", FILE, &third()),
        ("manifest.json", FILE, manifest.as_bytes()),
    ]);
    let mut gzip = flate2::write::GzEncoder::new(fs::File::create(&tar).unwrap(), flate2::Compression::fast());
    gzip.write_all(&docker).unwrap();
    gzip.finish().unwrap();
    assert_eq!(images.load(&tar).await.unwrap(), ["docker.io/library/old:3"]);
    assert_eq!(images.get("old:3").unwrap().id, digest(config.as_bytes()));
    fs::write(&tar, "no archive").unwrap();
    assert!(images.load(&tar).await.is_err());
}

#[tokio::test]
async fn malicious_layers_stay_inside() {
    let Some(()) = able() else { return };
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    let target = outside.to_str().unwrap().as_bytes();
    let secret = format!("{}/secret", outside.display());
    let cases: [(&str, Vec<u8>, bool); 9] = [
        ("parent", archive(&[("../../outside/evil", FILE, b"x")]), false),
        ("inner parent", archive(&[("a/../../../outside/evil", FILE, b"x")]), false),
        ("absolute", archive(&[("/evil", FILE, b"x")]), true),
        ("symlink", archive(&[("link", SYMLINK, target), ("link/evil", FILE, b"x")]), false),
        ("symlink up", archive(&[("link", SYMLINK, b"../../../../../.."), ("link/evil", FILE, b"x")]), true),
        ("hard link", archive(&[("stolen", LINK, secret.as_bytes()), ("stolen", FILE, b"x")]), false),
        ("hard link up", archive(&[("stolen", LINK, b"../../outside/secret")]), false),
        ("whiteout", archive(&[("link", SYMLINK, target), ("link/.wh.secret", FILE, b"")]), false),
        ("through file", archive(&[("f", SYMLINK, secret.as_bytes()), ("f", FILE, b"overwritten")]), true),
    ];
    for (name, layer, loads) in cases {
        let images = Images::open(&dir.path().join("images"), RegistryConfig::default()).unwrap();
        let tar = dir.path().join("image.tar");
        fs::write(&tar, layout("bad:1", &[layer])).unwrap();
        let result = images.load(&tar).await;
        assert_eq!(result.is_ok(), loads, "{name}: {result:?}");
        let left: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["secret"], "{name}");
        assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "secret", "{name}");
        assert_eq!(fs::metadata(outside.join("secret")).unwrap().nlink(), 1, "{name}");
        assert_eq!(fs::read_dir(dir.path().join("images/staging")).unwrap().count(), 0, "{name}");
        if loads {
            images.remove("bad:1").unwrap();
        }
    }
}

/// A registry of our own on a loopback port.
struct Registry {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl Registry {
    async fn start(auth: bool) -> Option<Registry> {
        able()?;
        if !Path::new("/usr/bin/docker-registry").exists() || !Path::new("/usr/bin/skopeo").exists() {
            eprintln!("skipped: needs docker-registry and skopeo");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut config = json!({
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": dir.path().join("data")}},
            "http": {"addr": format!("127.0.0.1:{port}")},
        });
        if auth {
            // bcrypt of "pass".
            fs::write(dir.path().join("htpasswd"), format!("user:{BCRYPT_PASS}\n")).unwrap();
            config["auth"] = json!({"htpasswd": {"realm": "test", "path": dir.path().join("htpasswd")}});
        }
        fs::write(dir.path().join("config.yml"), config.to_string()).unwrap();
        let child = Command::new("/usr/bin/docker-registry")
            .args(["serve".into(), dir.path().join("config.yml")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Registry { child, port, dir };
        let deadline = std::time::Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(std::time::Instant::now() < deadline, "the registry does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(registry)
    }

    fn push(&self, name: &str, layers: &[Vec<u8>], credentials: Option<&str>) {
        let layout_dir = self.dir.path().join("layout");
        let _ = fs::remove_dir_all(&layout_dir);
        tar::Archive::new(&layout("x", layers)[..]).unpack(&layout_dir).unwrap();
        let mut command = Command::new("skopeo");
        command.args(["copy", "--all", "--quiet", "--dest-tls-verify=false", "--insecure-policy"]);
        if let Some(credentials) = credentials {
            command.args(["--dest-creds", credentials]);
        }
        let done = command
            .arg(format!("oci:{}:x", layout_dir.display()))
            .arg(format!("docker://127.0.0.1:{}/{name}", self.port))
            .status()
            .unwrap();
        assert!(done.success());
    }
}

/// htpasswd of `pass`, made once by `htpasswd -nbB -C 4`.
const BCRYPT_PASS: &str = "$2y$04$rxn.xasI4X9/93gNQn5Ru.r//92H6SJWmvQ76yz7DY0z8LbUa.RhO";

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_registry_is_pulled_from_checked_and_mirrored() {
    let Some(registry) = Registry::start(false).await else { return };
    registry.push("library/app:1", &[base(), second(), third()], None);
    let dir = tempfile::tempdir().unwrap();
    let mirror = Endpoints { endpoints: vec![format!("http://127.0.0.1:{}", registry.port)] };
    let registries =
        RegistryConfig { mirrors: BTreeMap::from([("docker.io".into(), mirror)]), ..RegistryConfig::default() };
    let images = Images::open(&dir.path().join("images"), registries).unwrap();
    let mut last = podium_oci::Progress::default();
    let image = images.pull("app:1", None, |progress| last = progress).await.unwrap();
    assert!(last.total > 0 && last.done == last.total);
    let digest = image.repo_digest.clone().unwrap();
    assert!(digest.starts_with("docker.io/library/app@sha256:"), "{digest}");
    check_mounted(&images, "app:1", &dir.path().join("c"));
    let by_digest = images.pull(&digest, None, |_| {}).await.unwrap();
    assert_eq!(by_digest.id, image.id);
    assert!(images.get(&digest).is_some());
    let direct = format!("127.0.0.1:{}/library/app:1", registry.port);
    images.pull(&direct, None, |_| {}).await.unwrap();
    assert_eq!(images.list().len(), 1, "one image, several names");
    let missing = format!("127.0.0.1:{}/library/none:1", registry.port);
    assert!(matches!(images.pull(&missing, None, |_| {}).await, Err(PullError::NotFound(_))));
    assert!(matches!(images.pull("127.0.0.1:1/x:1", None, |_| {}).await, Err(PullError::Unavailable(_))));
    assert!(matches!(images.pull("Not A Name", None, |_| {}).await, Err(PullError::InvalidName { .. })));
    // Somebody changed a layer in the registry.
    registry.push("library/forged:1", &[archive(&[("honest", FILE, b"honest")])], None);
    let blobs = registry.dir.path().join("data/docker/registry/v2/blobs/sha256");
    let layout = registry.dir.path().join("layout/blobs/sha256");
    for blob in fs::read_dir(layout).unwrap().flatten() {
        let bytes = fs::read(blob.path()).unwrap();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let name = blob.file_name().into_string().unwrap();
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&archive(&[("honest", FILE, b"forged")])).unwrap();
            fs::write(blobs.join(&name[..2]).join(&name).join("data"), gzip.finish().unwrap()).unwrap();
        }
    }
    let forged = format!("127.0.0.1:{}/library/forged:1", registry.port);
    let error = images.pull(&forged, None, |_| {}).await.unwrap_err();
    assert!(matches!(error, PullError::Corrupt { .. }), "{error:?}");
    assert!(images.get(&forged).is_none());
    assert_eq!(fs::read_dir(dir.path().join("images/layers")).unwrap().count(), 3);
}

/// Bytes that pass before a connection is cut.
const CUT_AFTER: usize = 400_000;

/// A registry behind a bad line: every connection is cut after so many bytes of answers, which are counted.
async fn bad_line(port: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (own, passed) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let count = passed.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let count = count.clone();
            tokio::spawn(async move {
                let registry = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let ((mut asks, mut hears), (mut answers, mut told)) = (client.into_split(), registry.into_split());
                let up = tokio::spawn(async move { tokio::io::copy(&mut asks, &mut told).await });
                let mut bytes = [0; 8192];
                let mut sent = 0;
                while let Ok(length @ 1..) = answers.read(&mut bytes).await {
                    sent += length;
                    count.fetch_add(length, SeqCst);
                    if hears.write_all(&bytes[..length]).await.is_err() || sent > CUT_AFTER {
                        break;
                    }
                }
                up.abort();
            });
        }
    });
    (own, passed)
}

#[tokio::test]
async fn broken_layers_are_continued_and_fetched_once() {
    let Some(registry) = Registry::start(false).await else { return };
    // It does not compress.
    let noise: Vec<u8> = (0..50_000_u32).flat_map(|n| Sha256::digest(n.to_le_bytes())).collect();
    registry.push("library/noise:1", &[archive(&[("noise", FILE, &noise)])], None);
    let (port, passed) = bad_line(registry.port).await;
    let dir = tempfile::tempdir().unwrap();
    let mirror = Endpoints { endpoints: vec![format!("http://127.0.0.1:{port}")] };
    let registries =
        RegistryConfig { mirrors: BTreeMap::from([("docker.io".into(), mirror)]), ..RegistryConfig::default() };
    let images = Images::open(&dir.path().join("images"), registries).unwrap();
    let (mut steps, mut others) = (Vec::new(), Vec::new());
    let (first, second) = tokio::join!(
        images.pull("noise:1", None, |progress| steps.push(progress.done)),
        images.pull("noise:1", None, |progress| others.push(progress.done)),
    );
    assert_eq!(first.unwrap().id, second.unwrap().id);
    let passed = passed.load(SeqCst);
    assert!(passed > noise.len() && passed < noise.len() * 3 / 2, "{passed} bytes for {}", noise.len());
    assert!(steps.is_sorted() && others.is_sorted(), "{steps:?} {others:?}");
    // One of them fetched, the other one waited.
    let told = |steps: &[u64]| steps.iter().filter(|done| **done > 0).count();
    assert!(told(&steps).max(told(&others)) > 1, "{steps:?} {others:?}");
    let image = images.get("noise:1").unwrap();
    let rootfs = images.mount(&image, &dir.path().join("c")).unwrap();
    assert_eq!(fs::read(rootfs.join("noise")).unwrap(), noise);
    unmount(&dir.path().join("c")).unwrap();
    assert_eq!(images.used_bytes(), image.size);
}

#[tokio::test]
async fn credentials_are_asked_for() {
    let Some(registry) = Registry::start(true).await else { return };
    registry.push("team/app:1", &[third()], Some("user:pass"));
    let dir = tempfile::tempdir().unwrap();
    let images = Images::open(&dir.path().join("images"), RegistryConfig::default()).unwrap();
    let name = format!("127.0.0.1:{}/team/app:1", registry.port);
    let with = |password: &str| Some(Credentials { username: "user".into(), password: password.into() });
    for credentials in [None, with("wrong")] {
        let error = images.pull(&name, credentials, |_| {}).await.unwrap_err();
        assert!(matches!(error, PullError::Unauthorized(_)), "{error:?}");
    }
    images.pull(&name, with("pass"), |_| {}).await.unwrap();
}
