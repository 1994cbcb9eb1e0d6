//! Signs what others ask for with keys of their own: the authority's part in CertificateSigningRequests.
//!
//! Subject and key are taken over byte by byte; the rest is what the cluster's rules say.
//! Deliberately absent: whether to sign, which `podium_machinery::certificates` decides.

use super::{
    PkiError,
    authority::{Authority, new_key},
    der::{self, Tag},
    files::exists,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use podium_machinery::certificates::{Request, Validity};
use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose as Purpose, KeyUsagePurpose as Usage, SanType, SerialNumber,
    SigningKey as _,
};
use std::{path::Path, time::Duration};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Width of the lines of a PEM text.
const PEM_WIDTH: usize = 64;

/// The cluster's authority, as it signs requests. The key does not leave it.
pub struct Signer {
    pub(super) authority: Authority,
}

impl Signer {
    /// The authority in `dir`.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn load(dir: &Path) -> Result<Self, PkiError> {
        let key = dir.join("ca.key");
        if !exists(&key) {
            return Err(PkiError::Damaged(key));
        }
        Ok(Self { authority: Authority::open(dir)? })
    }

    /// A certificate (PEM) for the request.
    ///
    /// # Errors
    /// A name that no certificate can have.
    pub fn sign(&self, request: &Request, usages: &[String], validity: &Validity) -> Result<String, PkiError> {
        let at = |second: i64| {
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(second).unwrap_or_default())
        };
        let mut params = CertificateParams::default();
        params.not_before = at(validity.not_before.as_second());
        params.not_after = at(validity.not_after.as_second());
        params.serial_number = Some(SerialNumber::from_slice(uuid::Uuid::new_v4().as_bytes()));
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names = names(request)?;
        params.key_usages = usages.iter().filter_map(|usage| key_usage(usage)).collect();
        params.extended_key_usages = usages.iter().filter_map(|usage| purpose(usage)).collect();
        params.is_ca = rcgen::IsCa::ExplicitNoCa;
        // A subject of rcgen's has each attribute only once: drafted for a passing key, then made the asker's own.
        let draft = params.signed_by(&new_key()?, &self.authority.issuer)?;
        self.made_over(draft.der(), request).ok_or(PkiError::Certificate(rcgen::Error::CouldNotParseCertificate))
    }

    /// The draft with subject and key of the request, signed again.
    fn made_over(&self, draft: &[u8], request: &Request) -> Option<String> {
        let (_, parsed) = X509Certificate::from_der(draft).ok()?;
        let body: &[u8] = parsed.tbs_certificate.as_ref();
        let (_, head) = der::first(body)?;
        let key = parsed.public_key().raw;
        let before = body.get(head..der::offset(body, parsed.subject().as_raw()))?;
        let after = body.get(der::offset(body, key) + key.len()..)?;
        let (algorithm, _) = der::first(draft.get(der::offset(draft, body) + body.len()..)?)?;
        let body = der::wrapped(Tag::Sequence, &[before, &request.subject, &request.public_key, after]);
        let signature = self.authority.issuer.key().sign(&body).ok()?;
        let signature = der::wrapped(Tag::BitString, &[&[0], &signature]);
        Some(pem(&der::wrapped(Tag::Sequence, &[&body, algorithm, &signature])))
    }
}

fn pem(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(PEM_WIDTH).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn names(request: &Request) -> Result<Vec<SanType>, PkiError> {
    let mut names = Vec::new();
    for name in &request.dns {
        names.push(SanType::DnsName(name.as_str().try_into()?));
    }
    for name in &request.emails {
        names.push(SanType::Rfc822Name(name.as_str().try_into()?));
    }
    names.extend(request.addresses.iter().copied().map(SanType::IpAddress));
    for name in &request.uris {
        names.push(SanType::URI(name.as_str().try_into()?));
    }
    Ok(names)
}

fn key_usage(usage: &str) -> Option<Usage> {
    Some(match usage {
        "signing" | "digital signature" => Usage::DigitalSignature,
        "content commitment" => Usage::ContentCommitment,
        "key encipherment" => Usage::KeyEncipherment,
        "key agreement" => Usage::KeyAgreement,
        "data encipherment" => Usage::DataEncipherment,
        "cert sign" => Usage::KeyCertSign,
        "crl sign" => Usage::CrlSign,
        "encipher only" => Usage::EncipherOnly,
        "decipher only" => Usage::DecipherOnly,
        _ => return None,
    })
}

fn purpose(usage: &str) -> Option<Purpose> {
    let pkix = |number| Purpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, number]);
    Some(match usage {
        "any" => Purpose::Any,
        "server auth" => Purpose::ServerAuth,
        "client auth" => Purpose::ClientAuth,
        "code signing" => Purpose::CodeSigning,
        "email protection" | "s/mime" => Purpose::EmailProtection,
        "ipsec end system" => pkix(5),
        "ipsec tunnel" => pkix(6),
        "ipsec user" => pkix(7),
        "timestamping" => Purpose::TimeStamping,
        "ocsp signing" => Purpose::OcspSigning,
        "microsoft sgc" => Purpose::Other(vec![1, 3, 6, 1, 4, 1, 311, 10, 3, 3]),
        "netscape sgc" => Purpose::Other(vec![2, 16, 840, 1, 113_730, 4, 1]),
        _ => return None,
    })
}
