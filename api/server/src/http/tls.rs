//! TLS of the server, and of its calls to nodes.

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{io, path::Path, sync::Arc};

fn broken(path: &Path, why: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {why}", path.display()))
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).map_err(|e| broken(path, e))?;
    read.collect::<Result<_, _>>().map_err(|e| broken(path, e))
}

fn key(path: &Path) -> io::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|e| broken(path, e))
}

/// The cluster's own authority.
pub(super) fn roots(pki: &Path) -> io::Result<RootCertStore> {
    let path = pki.join("ca.crt");
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&path)? {
        roots.add(certificate).map_err(|e| broken(&path, e))?;
    }
    Ok(roots)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The server's side: our certificate, and those of clients where they show one.
pub(super) fn server(pki: &Path) -> io::Result<ServerConfig> {
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(pki)?), provider())
        .allow_unauthenticated()
        .build()
        .map_err(io::Error::other)?;
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(&pki.join("server.crt"))?, key(&pki.join("server.key"))?)
        .map_err(io::Error::other)
}

/// The client's side towards nodes.
pub(crate) fn client(pki: &Path) -> io::Result<ClientConfig> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots(pki)?)
        .with_client_auth_cert(certificates(&pki.join("kubelet-client.crt"))?, key(&pki.join("kubelet-client.key"))?)
        .map_err(io::Error::other)
}
