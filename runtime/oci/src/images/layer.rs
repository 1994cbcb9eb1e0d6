//! One layer from its compressed bytes to its place in the store, every digest checked on the way.

use std::io::{self, BufReader, Read};

use sha2::{Digest, Sha256};

use super::store::Store;
use super::unpack::unpack;
use crate::error::{Error, Result};

/// Hashes what passes.
pub(super) struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Hashing<R> {
    pub fn new(inner: R) -> Hashing<R> {
        Hashing { inner, hash: Sha256::new() }
    }

    /// Reads to the end and gives the digest of everything.
    pub fn digest(mut self) -> io::Result<String> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(format!("sha256:{}", hex::encode(self.hash.finalize())))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hash.update(&buffer[..length]);
        Ok(length)
    }
}

/// Unpacks a layer unless it is there. `digest` is that of the bytes as they come (None: not announced, as in docker
/// archives), `diff_id` that of the tar inside, from the image's config. Compression is told by the first bytes.
pub(super) fn store(store: &Store, blob: impl Read, digest: Option<&str>, diff_id: &str) -> Result<()> {
    if store.has_layer(diff_id)? {
        return Ok(());
    }
    let staging = store.staging()?;
    let corrupt = |error: io::Error| match error.kind() {
        // Not the image's fault, or not its alone.
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::Io { what: format!("unpack layer {diff_id}"), source: error }
        }
        _ => Error::Invalid(format!("layer {diff_id}: {error}")),
    };
    let mut compressed = Hashing::new(blob);
    let mut plain = Hashing::new(decompress(&mut compressed).map_err(corrupt)?);
    let size = unpack(&mut plain, &staging.path().join("fs")).map_err(corrupt)?;
    let found = plain.digest().map_err(corrupt)?;
    let arrived = compressed.digest().map_err(corrupt)?;
    if digest.is_some_and(|digest| digest != arrived) {
        return Err(Error::Invalid(format!("layer has digest {arrived}, not {}", digest.unwrap_or_default())));
    }
    if found != diff_id {
        return Err(Error::Invalid(format!("unpacked layer has digest {found}, not {diff_id}")));
    }
    store.add_layer(staging, diff_id, size)
}

/// gzip, zstd or plain.
pub(super) fn decompress<'a>(blob: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut blob = BufReader::with_capacity(64 << 10, blob);
    let mut magic = [0; 4];
    let mut length = 0;
    while length < magic.len() {
        match blob.read(&mut magic[length..])? {
            0 => break,
            more => length += more,
        }
    }
    let whole = io::Cursor::new(magic[..length].to_vec()).chain(blob);
    Ok(match &magic[..length] {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::stream::read::Decoder::new(whole)?),
        _ => Box::new(whole),
    })
}
