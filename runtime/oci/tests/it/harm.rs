//! A registry that lies: whatever it says, a pull ends with a reason, and nothing of it stays on the disk.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use podium_oci::{Images, RegistryConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::fixture::able;
use crate::images::{FILE, archive, digest};

/// What is on the small disk of these tests, bytes.
const DISK: u64 = 48 << 20;
/// What the bombs unpack to.
const BOMB: u64 = 160 << 20;

/// Answers by path.
type Answers = BTreeMap<String, (&'static str, Vec<u8>)>;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Serves the answers, and 404 otherwise, until the test ends.
async fn serve(answers: Answers) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, answers) = (listener.local_addr().unwrap().port(), Arc::new(answers));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answers = answers.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 8192];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = text.split(' ').nth(1).unwrap_or_default();
                let (status, (kind, body)) = match answers.get(path) {
                    Some(answer) => ("200 OK", answer.clone()),
                    None => ("404 Not Found", ("text/plain", Vec::new())),
                };
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&body).await;
            });
        }
    });
    port
}

/// An image of these layers (bytes, diff ID) at `x:1`; `change` makes it a lie.
fn image(layers: &[(Vec<u8>, String)], change: impl FnOnce(&mut Value, &mut Value)) -> Answers {
    let mut answers = Answers::from([("/v2/".to_owned(), ("text/plain", Vec::new()))]);
    let mut config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|(_, id)| id).collect::<Vec<_>>() },
    });
    let described = |(bytes, _): &(Vec<u8>, String)| json!({ "digest": digest(bytes), "size": bytes.len() });
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "layers": layers.iter().map(described).collect::<Vec<_>>(),
    });
    change(&mut manifest, &mut config);
    let config = config.to_string().into_bytes();
    if manifest["config"].is_null() {
        manifest["config"] = json!({ "digest": digest(&config), "size": config.len() });
    }
    for blob in layers.iter().map(|(bytes, _)| bytes).chain([&config]) {
        answers.insert(format!("/v2/x/blobs/{}", digest(blob)), ("application/octet-stream", blob.clone()));
    }
    answers.insert("/v2/x/manifests/1".to_owned(), (MANIFEST, manifest.to_string().into_bytes()));
    answers
}

fn plain(name: &str) -> (Vec<u8>, String) {
    let tar = archive(&[(name, FILE, b"honest")]);
    (tar.clone(), digest(&tar))
}

/// A small layer that becomes a large file.
fn bomb(compress: impl FnOnce(&mut dyn Read) -> Vec<u8>) -> (Vec<u8>, String) {
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_mode(0o644);
    header.set_size(BOMB);
    header.set_cksum();
    let head = header.as_bytes().to_vec();
    let bytes = compress(&mut io::Read::chain(&head[..], io::repeat(0).take(BOMB + 1024)));
    assert!((bytes.len() as u64) < BOMB / 100, "{}", bytes.len());
    (bytes, digest(b"nobody gets so far"))
}

fn gzip(tar: &mut dyn Read) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    io::copy(tar, &mut gzip).unwrap();
    gzip.finish().unwrap()
}

fn zstd(tar: &mut dyn Read) -> Vec<u8> {
    let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
    io::copy(tar, &mut zstd).unwrap();
    zstd.flush().unwrap();
    zstd.finish().unwrap()
}

fn count(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

#[tokio::test]
async fn lies_end_with_a_reason_and_leave_nothing() {
    let Some(()) = able() else { return };
    let dir = tempfile::tempdir().unwrap();
    let options = format!("size={DISK}");
    mount(Some("disk"), dir.path(), Some("tmpfs"), MsFlags::empty(), Some(options.as_str())).unwrap();
    let root = dir.path().join("images");
    let none = |_: &mut Value, _: &mut Value| {};
    let size = |n: u64| move |manifest: &mut Value, _: &mut Value| manifest["layers"][0]["size"] = json!(n);
    let wide = "x".repeat(5 << 20);
    let cases: Vec<(Answers, Option<&str>)> = vec![
        (image(&[plain("a"), plain("b")], none), None),
        (image(&[bomb(gzip)], none), Some("too large")),
        (image(&[bomb(zstd)], none), Some("too large")),
        // Each alone would fit.
        (image(&[bomb(gzip), plain("c"), bomb(zstd)], none), Some("too large")),
        (image(&[plain("d")], size(7)), Some("larger than the 7 bytes of its manifest")),
        (image(&[plain("e")], size(u64::MAX)), Some("broke off")),
        (
            image(&[plain("f"), plain("g")], |manifest, _| {
                for layer in manifest["layers"].as_array_mut().unwrap() {
                    layer["size"] = json!(u64::MAX);
                }
            }),
            Some("broke off"),
        ),
        (image(&[(plain("h").0, digest(b"other"))], none), Some("unpacked layer has digest")),
        (image(&[plain("i")], |manifest, _| manifest["annotations"] = json!({ "wide": wide })), Some("too large")),
        (image(&[plain("j")], |_, config| config["wide"] = json!(wide)), Some("too large")),
        (image(&[plain("k")], |_, config| config["config"]["Env"] = json!([7])), Some("invalid image config")),
        (image(&[plain("l")], |_, config| config["config"]["Cmd"] = json!({ "a": 1 })), Some("invalid image config")),
        (image(&[(plain("m").0, "sha256:../../../etc".to_owned())], none), Some("invalid digest")),
        (image(&[plain("n")], |_, config| config["rootfs"]["diff_ids"] = json!([])), Some("does not fit its layers")),
        (
            image(&[plain("o")], |manifest, config| {
                manifest["layers"] = json!(vec![manifest["layers"][0].clone(); 201]);
                config["rootfs"]["diff_ids"] = json!(vec![config["rootfs"]["diff_ids"][0].clone(); 201]);
            }),
            Some("does not fit its layers"),
        ),
        (image(&[plain("p")], |manifest, _| manifest["layers"][0]["size"] = json!(-1)), Some("invalid value")),
    ];
    for (n, (answers, reason)) in cases.into_iter().enumerate() {
        let images = Images::open(&root, RegistryConfig::default()).unwrap();
        let name = format!("127.0.0.1:{}/x:1", serve(answers).await);
        let outcome = images.pull(&name, None, |_| {}).await.map_err(|error| error.to_string());
        match reason {
            None => {
                outcome.unwrap();
                images.remove(&name).unwrap();
            }
            Some(reason) => {
                let told = outcome.unwrap_err();
                assert!(told.contains(reason), "{n}: {told:?} does not say {reason:?}");
            }
        }
        images.collect_garbage().unwrap();
        let left = ["staging", "layers", "images"].map(|part| count(&root.join(part)));
        assert_eq!(left, [0, 0, 0], "{n}");
    }
    umount2(dir.path(), MntFlags::MNT_DETACH).unwrap();
}
