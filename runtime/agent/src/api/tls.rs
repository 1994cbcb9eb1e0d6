//! TLS of the kubelet API. A client certificate is asked for and checked, but may be absent: a token does as well.

use crate::{AgentConfig, Error, Result};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{path::Path, sync::Arc};

pub(super) fn config(config: &AgentConfig) -> Result<ServerConfig> {
    let failed = |path: &Path, error: &dyn std::fmt::Display| Error::Tls(format!("{}: {error}", path.display()));
    let certificates = |path: &Path| -> Result<Vec<CertificateDer<'static>>> {
        let all = CertificateDer::pem_file_iter(path).map_err(|e| failed(path, &e))?;
        all.collect::<Result<_, _>>().map_err(|e| failed(path, &e))
    };
    let mut roots = RootCertStore::empty();
    for root in certificates(&config.client_ca)? {
        roots.add(root).map_err(|e| failed(&config.client_ca, &e))?;
    }
    let clients = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated();
    let chain = certificates(&config.kubelet_cert)?;
    let key = PrivateKeyDer::from_pem_file(&config.kubelet_key).map_err(|e| failed(&config.kubelet_key, &e))?;
    let mut tls = ServerConfig::builder()
        .with_client_cert_verifier(clients.build().map_err(|e| Error::Tls(e.to_string()))?)
        .with_single_cert(chain, key)
        .map_err(|e| Error::Tls(e.to_string()))?;
    // Upgrades need HTTP/1.1.
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}
