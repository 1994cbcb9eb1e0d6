//! The certificate authority and what it issues.

use super::{
    PkiError,
    files::{exists, read, write},
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::path::Path;
use x509_parser::{extensions::GeneralName, pem::parse_x509_pem};

/// First and last year of certificates (without a clock that must be right when they are made).
const YEARS: (i32, i32) = (2020, 2060);

/// A fresh P-256 key.
pub(super) fn new_key() -> Result<KeyPair, PkiError> {
    Ok(KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?)
}

/// The cluster's own authority.
pub(super) struct Authority {
    pub(super) issuer: Issuer<'static, KeyPair>,
    /// Its certificate in PEM.
    pub(super) certificate: String,
}

/// A certificate with its key, both in PEM.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Pair {
    /// Writes `name.crt` and `name.key`; the key first, so that a certificate is never without one.
    pub(super) fn write(&self, dir: &Path, name: &str) -> Result<(), PkiError> {
        write(&dir.join(format!("{name}.key")), &self.key, true)?;
        write(&dir.join(format!("{name}.crt")), &self.certificate, false)
    }
}

/// What a certificate should say.
pub(super) struct Leaf {
    name: String,
    organization: String,
    /// DNS names and IP addresses; empty for clients.
    pub(super) names: Vec<String>,
    usage: ExtendedKeyUsagePurpose,
}

impl Leaf {
    /// A client's certificate: CN is the user, O its group.
    pub(super) fn client(user: &str, group: &str) -> Self {
        let usage = ExtendedKeyUsagePurpose::ClientAuth;
        Self { name: user.to_owned(), organization: group.to_owned(), names: Vec::new(), usage }
    }
    /// A server's certificate.
    pub(super) fn server(name: &str, organization: &str, names: Vec<String>) -> Self {
        let usage = ExtendedKeyUsagePurpose::ServerAuth;
        Self { name: name.to_owned(), organization: organization.to_owned(), names, usage }
    }
}

fn params(name: &str, organization: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    if !organization.is_empty() {
        subject.push(DnType::OrganizationName, organization);
    }
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    params.not_before = rcgen::date_time_ymd(YEARS.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(YEARS.1, 1, 1);
    params
}

impl Authority {
    /// The authority in `dir`; made where there is none.
    pub(super) fn open(dir: &Path) -> Result<Self, PkiError> {
        let (certificate, key) = (dir.join("ca.crt"), dir.join("ca.key"));
        if !exists(&certificate) || !exists(&key) {
            let mut params = params("kubernetes-ca", "");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
            let pair = new_key()?;
            write(&key, &pair.serialize_pem(), true)?;
            write(&certificate, &params.self_signed(&pair)?.pem(), false)?;
        }
        let pem = read(&certificate)?;
        let issuer = Issuer::from_ca_cert_pem(&pem, KeyPair::from_pem(&read(&key)?)?)?;
        Ok(Self { issuer, certificate: pem })
    }

    /// A certificate with a fresh key.
    pub(super) fn issue(&self, leaf: &Leaf) -> Result<Pair, PkiError> {
        let mut params = params(&leaf.name, &leaf.organization);
        params.subject_alt_names = CertificateParams::new(leaf.names.clone())?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![leaf.usage.clone()];
        params.use_authority_key_identifier_extension = true;
        let key = new_key()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Pair { certificate, key: key.serialize_pem() })
    }

    /// Whether a certificate is from this authority.
    pub(super) fn signed(&self, pem: &str) -> bool {
        let (Ok((_, leaf)), Ok((_, ca))) =
            (parse_x509_pem(pem.as_bytes()), parse_x509_pem(self.certificate.as_bytes()))
        else {
            return false;
        };
        let (Ok(leaf), Ok(ca)) = (leaf.parse_x509(), ca.parse_x509()) else { return false };
        // The key identifier names the authority's key, which a fresh authority would not share.
        let issuer = leaf.extensions().iter().find_map(|e| match e.parsed_extension() {
            x509_parser::extensions::ParsedExtension::AuthorityKeyIdentifier(id) => {
                id.key_identifier.as_ref().map(|k| k.0.to_vec())
            }
            _ => None,
        });
        let subject = ca.extensions().iter().find_map(|e| match e.parsed_extension() {
            x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
        issuer.is_some() && issuer == subject
    }
}

/// The DNS names and addresses of a certificate, sorted; `None` where it cannot be read.
pub fn subject_alt_names(pem: &str) -> Option<Vec<String>> {
    let (_, pem) = parse_x509_pem(pem.as_bytes()).ok()?;
    let certificate = pem.parse_x509().ok()?;
    let extension = certificate.subject_alternative_name().ok()??;
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(v4) => Some(std::net::Ipv4Addr::from(v4).to_string()),
            Err(_) => <[u8; 16]>::try_from(*bytes).ok().map(|v6| std::net::Ipv6Addr::from(v6).to_string()),
        },
        _ => None,
    };
    let mut names: Vec<String> = extension.value.general_names.iter().filter_map(name).collect();
    names.sort();
    Some(names)
}
