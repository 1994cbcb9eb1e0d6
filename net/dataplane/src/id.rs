//! Names that tell which cluster a thing in the kernel belongs to.

use crate::{Error, Result};

/// A cluster's id: eight hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    text: String,
    number: u32,
}

impl Id {
    /// Checks an id; zero is what interfaces without an owner have.
    pub fn new(text: &str) -> Result<Self> {
        match u32::from_str_radix(text, 16) {
            Ok(number) if number != 0 && text.len() == 8 && !text.starts_with('+') => {
                Ok(Self { text: text.to_ascii_lowercase(), number })
            }
            _ => Err(Error::Invalid(format!("{text:?} is no cluster id of eight hexadecimal digits"))),
        }
    }

    /// Group of our interfaces, and mark of packets to be masqueraded.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Table of the pods' network.
    pub fn network_table(&self) -> String {
        format!("podium_{}", self.text)
    }

    /// Table of the service proxy.
    pub fn service_table(&self) -> String {
        format!("podium_{}_svc", self.text)
    }

    /// Label of our addresses on `lo`; with its prefix below the 15 characters of an interface name.
    pub fn address_label(&self) -> String {
        format!("lo:{}", self.text)
    }

    /// The host's end of a pod's veth: `pod`, half of the id, and a hash of the uid: 15 characters.
    pub fn interface(&self, pod_uid: &str) -> String {
        format!("pod{}{:08x}", &self.text[..4], fnv(pod_uid))
    }
}

/// FNV-1a: stable between releases, unlike the standard library's hash.
pub(crate) fn fnv(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_eight_hexadecimal_digits_are_an_id() {
        for (text, good) in [
            ("0a1B2c3d", true),
            ("00000000", false),
            ("a1b2c3d", false),
            ("a1b2c3d4e", false),
            ("zzzzzzzz", false),
            ("+1234567", false),
        ] {
            assert_eq!(Id::new(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn interface_names_fit() {
        let id = Id::new("0a1b2c3d").unwrap();
        let name = id.interface("5d1e0d4c-1111-2222-3333-444444444444");
        assert_eq!((name.len(), &name[..7]), (15, "pod0a1b"));
        assert_ne!(name, id.interface("5d1e0d4c-1111-2222-3333-444444444445"));
        assert!(id.address_label().len() <= 15);
    }
}
