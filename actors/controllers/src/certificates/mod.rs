//! CertificateSigningRequests: nodes' are approved, approved ones signed, old ones removed.
//!
//! The authority's key is not here: a plan asks for a certificate and a shell signs it.

mod approve;
mod clean;
mod request;
mod sign;

pub use approve::ApprovingController;
pub use clean::CleaningController;
pub use sign::SigningController;
