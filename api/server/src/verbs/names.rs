//! Names that the server makes.

use sha2::{Digest, Sha256};

/// Letters without vowels and look-alikes, so that no words come out (as apimachinery's `rand`).
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Length of a made suffix.
const SUFFIX: usize = 5;
/// Longest name that can be made.
const MAX: usize = 63;

/// Five characters out of a fresh uid.
pub(crate) fn suffix(uid: &str) -> String {
    let digest = Sha256::digest(uid.as_bytes());
    digest.iter().take(SUFFIX).map(|b| char::from(ALPHABET[usize::from(*b) % ALPHABET.len()])).collect()
}

/// A name that begins with `base` (`metadata.generateName`).
pub(crate) fn generate(base: &str, uid: &str) -> String {
    let mut end = base.len().min(MAX - SUFFIX);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{}", &base[..end], suffix(uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_bases_are_cut() {
        assert_eq!(generate(&"a".repeat(80), "u").len(), MAX);
        assert!(generate("web-", "u").starts_with("web-"));
        assert_ne!(generate("web-", "u"), generate("web-", "v"));
    }
}
