//! Who may speak to the kubelet API: holders of a certificate of the cluster's CA that belongs to the API server or
//! to an administrator. Nodes and users have certificates of that CA too, and may not.

use crate::{AgentConfig, Error, Result};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use std::{path::Path, sync::Arc};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Group of those who may do everything.
const MASTERS: &str = "system:masters";
/// The API server's name towards kubelets.
const API_SERVER: &str = "kube-apiserver-kubelet-client";

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
    let signed = WebPkiClientVerifier::builder(Arc::new(roots)).build().map_err(|e| Error::Tls(e.to_string()))?;
    let chain = certificates(&config.kubelet_cert)?;
    let key = PrivateKeyDer::from_pem_file(&config.kubelet_key).map_err(|e| failed(&config.kubelet_key, &e))?;
    let mut tls = ServerConfig::builder()
        .with_client_cert_verifier(Arc::new(Trusted { signed }))
        .with_single_cert(chain, key)
        .map_err(|e| Error::Tls(e.to_string()))?;
    // Upgrades need HTTP/1.1.
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

#[derive(Debug)]
struct Trusted {
    signed: Arc<dyn ClientCertVerifier>,
}

impl ClientCertVerifier for Trusted {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.signed.root_hint_subjects()
    }
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.signed.verify_client_cert(end_entity, intermediates, now)?;
        if is_trusted(end_entity) { Ok(verified) } else { Err(rustls::Error::General("forbidden".to_owned())) }
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signed.verify_tls12_signature(message, certificate, signature)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signed.verify_tls13_signature(message, certificate, signature)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}

fn is_trusted(certificate: &[u8]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    let subject = certificate.subject();
    let master = subject.iter_organization().any(|o| o.as_str() == Ok(MASTERS));
    master || subject.iter_common_name().any(|cn| cn.as_str() == Ok(API_SERVER))
}
