//! Certificates on request: what a request says, what each built-in signer accepts, how long it lasts.
//!
//! Deliberately absent: the authority's key, and with it the signing.

mod request;
mod signer;

pub use request::Request;
pub use signer::{MASTERS_REFUSED, Signer, Validity};

use x509_parser::{pem::parse_x509_pem, prelude::X509Certificate};

/// Calls `read` with the first certificate of a PEM text; `None` where there is none.
pub fn with_certificate<T>(pem: &str, read: impl FnOnce(&X509Certificate<'_>) -> T) -> Option<T> {
    let (_, pem) = parse_x509_pem(pem.as_bytes()).ok()?;
    pem.parse_x509().ok().map(|certificate| read(&certificate))
}

/// The last second of a certificate's life, since 1970.
pub fn expiry(pem: &str) -> Option<i64> {
    with_certificate(pem, |certificate| certificate.validity().not_after.timestamp())
}

#[cfg(test)]
mod tests;
