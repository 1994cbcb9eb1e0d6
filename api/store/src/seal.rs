//! Sealing: encryption at rest of kinds such as Secret.
//!
//! AES-256-GCM with a fresh data key per write, itself sealed by the cluster's key, so that
//! no nonce is ever used twice under one data key and the cluster's key encrypts few bytes.
//! The object's identity is additional data: bytes moved to another row do not open.
//!
//! Layout: version (1 byte), key id (4), nonce (12), sealed data key (32 + 16), nonce (12), sealed text (n + 16).

use crate::StoreError;
use podium_types::Key;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest,
    rand::{SecureRandom, SystemRandom},
};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

const VERSION: u8 = 1;
const KEY_LEN: usize = 32;
const ID_LEN: usize = 4;
const TAG_LEN: usize = 16;
const WRAPPED: usize = KEY_LEN + TAG_LEN;
const HEAD: usize = 1 + ID_LEN + NONCE_LEN + WRAPPED + NONCE_LEN;

/// The cluster's key-encryption key.
pub struct SealingKey {
    id: [u8; ID_LEN],
    key: LessSafeKey,
    random: SystemRandom,
}

impl SealingKey {
    /// The key of these bytes.
    ///
    /// # Errors
    /// [`StoreError::Seal`] unless they are 32.
    pub fn new(bytes: &[u8]) -> Result<Self, StoreError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes)
            .map_err(|_| StoreError::Seal("the key".into(), "a sealing key has 32 bytes"))?;
        let mut id = [0; ID_LEN];
        id.copy_from_slice(&digest::digest(&digest::SHA256, bytes).as_ref()[..ID_LEN]);
        Ok(Self { id, key: LessSafeKey::new(key), random: SystemRandom::new() })
    }

    /// The key in this file; made (mode 0600) where there is none.
    ///
    /// # Errors
    /// A file that cannot be read or written, or that is no key. A lost key is never replaced
    /// silently where the file is there.
    pub fn load_or_create(path: &Path) -> Result<Self, StoreError> {
        let io = |e| StoreError::Io(path.display().to_string(), e);
        match fs::read(path) {
            Ok(bytes) => return Self::new(&bytes),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(io(e)),
        }
        let mut bytes = [0; KEY_LEN];
        SystemRandom::new().fill(&mut bytes).map_err(|_| StoreError::Seal("the key".into(), "no randomness"))?;
        // Written beside and linked into place: a crash leaves no half key, a rival's key wins.
        let part = path.with_extension(format!("{}.new", std::process::id()));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part).map_err(io)?;
        let linked = file.write_all(&bytes).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&part, path));
        let removed = fs::remove_file(&part);
        match linked {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(io(e)),
            _ => removed.map_err(io)?,
        }
        Self::new(&fs::read(path).map_err(io)?)
    }

    /// Seals the text of the object with this identity.
    ///
    /// # Errors
    /// [`StoreError::Seal`] where the system has no randomness.
    pub fn seal(&self, resource: &str, key: &Key, uid: &str, text: &str) -> Result<Vec<u8>, StoreError> {
        let fail = |why| StoreError::Seal(format!("{resource} {key}"), why);
        let aad = identity(resource, key, uid);
        let mut fresh = [0; KEY_LEN + 2 * NONCE_LEN];
        self.random.fill(&mut fresh).map_err(|_| fail("no randomness"))?;
        let (data_key, nonces) = fresh.split_at(KEY_LEN);
        let (outer, inner) = nonces.split_at(NONCE_LEN);
        let mut wrapped = data_key.to_vec();
        seal_in(&self.key, outer, &aad, &mut wrapped).ok_or_else(|| fail("cipher"))?;
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, data_key).map_err(|_| fail("cipher"))?);
        let mut body = text.as_bytes().to_vec();
        seal_in(&cipher, inner, &aad, &mut body).ok_or_else(|| fail("cipher"))?;
        let mut out = Vec::with_capacity(HEAD + body.len());
        out.push(VERSION);
        for part in [&self.id[..], outer, &wrapped, inner, &body] {
            out.extend_from_slice(part);
        }
        Ok(out)
    }

    /// The text that was sealed for the object with this identity.
    ///
    /// # Errors
    /// [`StoreError::Seal`] where the bytes were sealed by another key, for another object, or are damaged.
    pub fn open(&self, resource: &str, key: &Key, uid: &str, sealed: &[u8]) -> Result<String, StoreError> {
        let fail = |why| StoreError::Seal(format!("{resource} {key}"), why);
        if sealed.len() < HEAD + TAG_LEN || sealed[0] != VERSION {
            return Err(fail("unknown form"));
        }
        let (id, rest) = sealed[1..].split_at(ID_LEN);
        if id != self.id {
            return Err(fail("sealed with another key"));
        }
        let aad = identity(resource, key, uid);
        let (outer, rest) = rest.split_at(NONCE_LEN);
        let (wrapped, rest) = rest.split_at(WRAPPED);
        let (inner, body) = rest.split_at(NONCE_LEN);
        let data_key = open_in(&self.key, outer, &aad, wrapped).ok_or_else(|| fail("damaged, or of another object"))?;
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &data_key).map_err(|_| fail("damaged"))?);
        let text = open_in(&cipher, inner, &aad, body).ok_or_else(|| fail("damaged"))?;
        String::from_utf8(text).map_err(|_| fail("not text"))
    }
}

fn identity(resource: &str, key: &Key, uid: &str) -> Vec<u8> {
    format!("{resource}/{}/{}/{uid}", key.namespace, key.name).into_bytes()
}

fn seal_in(key: &LessSafeKey, nonce: &[u8], aad: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    key.seal_in_place_append_tag(nonce, Aad::from(aad), bytes).ok()
}

fn open_in(key: &LessSafeKey, nonce: &[u8], aad: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut bytes = bytes.to_vec();
    let plain = key.open_in_place(nonce, Aad::from(aad), &mut bytes).ok()?.len();
    bytes.truncate(plain);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SealingKey {
        SealingKey::new(&[byte; 32]).expect("32 bytes")
    }

    #[test]
    fn opens_only_for_the_same_object_and_key() {
        let (at, uid) = (Key::new("ns", "a"), "u");
        let sealed = key(1).seal("secrets", &at, uid, "hello").expect("sealed");
        assert!(!sealed.windows(5).any(|w| w == b"hello"));
        assert_eq!(key(1).open("secrets", &at, uid, &sealed).expect("opened"), "hello");
        assert!(key(2).open("secrets", &at, uid, &sealed).is_err());
        assert!(key(1).open("secrets", &Key::new("ns", "b"), uid, &sealed).is_err());
        assert!(key(1).open("secrets", &at, "v", &sealed).is_err());
        for i in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[i] ^= 1;
            assert!(key(1).open("secrets", &at, uid, &damaged).is_err(), "byte {i}");
        }
    }

    #[test]
    fn two_sealings_differ() {
        let at = Key::new("", "a");
        let seal = || key(1).seal("secrets", &at, "u", "x").expect("sealed");
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_key_file_is_made_once_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("sealing.key");
        let at = Key::new("", "a");
        let first = SealingKey::load_or_create(&path).expect("made");
        let sealed = first.seal("secrets", &at, "u", "x").expect("sealed");
        let second = SealingKey::load_or_create(&path).expect("read");
        assert_eq!(second.open("secrets", &at, "u", &sealed).expect("opened"), "x");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).expect("dir").count(), 1);
        fs::write(&path, b"short").expect("written");
        assert!(SealingKey::load_or_create(&path).is_err());
    }
}
