//! The signers that Kubernetes builds in, and what each of them accepts.

use super::Request;
use podium_types::Timestamp;
use std::collections::BTreeSet;

/// The group of all nodes, the O of their certificates.
const NODES: &str = "system:nodes";
/// What the CN of a node's certificate begins with.
const NODE_PREFIX: &str = "system:node:";
/// A day.
const DAY: i64 = 24 * 3600;
/// Life of a certificate whose asker names none, and longest life, in seconds.
const LONGEST: i64 = 365 * DAY;
/// Shortest life, in seconds.
const SHORTEST: i64 = 600;
/// How far a certificate begins in the past, for clocks that differ, in seconds.
const BACKDATE: i64 = 300;
/// Lives shorter than this, in seconds, do not give the backdated time away again.
const SHORT: i64 = 8 * 3600;

/// Why nobody becomes an administrator by a request.
pub const MASTERS_REFUSED: &str =
    "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed";

/// A built-in signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// `kubernetes.io/kube-apiserver-client`: clients of the API.
    Client,
    /// `kubernetes.io/kube-apiserver-client-kubelet`: nodes as clients of the API.
    KubeletClient,
    /// `kubernetes.io/kubelet-serving`: nodes as servers.
    KubeletServing,
    /// `kubernetes.io/legacy-unknown`: whatever is asked for; trusted by nobody.
    Legacy,
}

/// First and last second of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before: Timestamp,
    /// Last second.
    pub not_after: Timestamp,
}

impl Validity {
    /// Of a certificate that is signed now and was asked to last so many seconds, within `end`, the authority's own.
    pub fn new(now: Timestamp, asked: Option<i64>, end: i64) -> Self {
        let life = asked.unwrap_or(LONGEST).clamp(SHORTEST, LONGEST);
        let until = if life < SHORT { life } else { life - BACKDATE };
        let at = |second: i64| Timestamp::from_second(second).unwrap_or(now);
        let now = now.as_second();
        Self { not_before: at(now.saturating_sub(BACKDATE)), not_after: at(now.saturating_add(until).min(end)) }
    }
}

impl Signer {
    /// The signer of that name, where it is built in.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "kubernetes.io/kube-apiserver-client" => Self::Client,
            "kubernetes.io/kube-apiserver-client-kubelet" => Self::KubeletClient,
            "kubernetes.io/kubelet-serving" => Self::KubeletServing,
            "kubernetes.io/legacy-unknown" => Self::Legacy,
            _ => return None,
        })
    }

    /// Whether the signer makes such a certificate; the reason in Kubernetes' words where not.
    ///
    /// # Errors
    /// The message of the condition `SignerValidationFailure`.
    pub fn check(self, request: &Request, usages: &[&str]) -> Result<(), String> {
        match self {
            Self::Legacy => Ok(()),
            Self::Client => client(usages),
            Self::KubeletClient => {
                node(request)?;
                refuse("DNS", &request.dns)?;
                refuse("email", &request.emails)?;
                refuse("IP", &request.addresses)?;
                refuse("URI", &request.uris)?;
                exactly(usages, "client auth")
            }
            Self::KubeletServing => {
                node(request)?;
                if request.dns.is_empty() && request.addresses.is_empty() {
                    return Err("DNS or IP subjectAltName is required".to_owned());
                }
                refuse("email", &request.emails)?;
                refuse("URI", &request.uris)?;
                exactly(usages, "server auth")
            }
        }
    }
}

/// `client auth`, with a key that signs or enciphers if need be.
fn client(usages: &[&str]) -> Result<(), String> {
    let odd = usages.iter().find(|u| !matches!(**u, "client auth" | "digital signature" | "key encipherment"));
    match odd {
        Some(odd) => Err(format!("invalid usage for client certificate: {odd}")),
        None if usages.contains(&"client auth") => Ok(()),
        None => Err("missing required usage for client certificate: client auth".to_owned()),
    }
}

/// The subject is a node.
fn node(request: &Request) -> Result<(), String> {
    if request.organizations != [NODES] {
        return Err(format!("subject organization is not {NODES}"));
    }
    if request.common_name.starts_with(NODE_PREFIX) {
        Ok(())
    } else {
        Err(format!("subject common name does not begin with {NODE_PREFIX}"))
    }
}

fn refuse<T>(what: &str, names: &[T]) -> Result<(), String> {
    if names.is_empty() { Ok(()) } else { Err(format!("{what} subjectAltNames are not allowed")) }
}

/// A node's key signs, and enciphers where its algorithm can.
fn exactly(usages: &[&str], purpose: &str) -> Result<(), String> {
    let has: BTreeSet<&str> = usages.iter().copied().filter(|usage| *usage != "key encipherment").collect();
    let wanted = BTreeSet::from([purpose, "digital signature"]);
    if has == wanted {
        return Ok(());
    }
    let words: Vec<&str> = wanted.into_iter().collect();
    Err(format!("usages did not match {:?}", words))
}
