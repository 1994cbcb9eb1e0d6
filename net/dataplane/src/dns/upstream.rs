//! Asking others for names that are not the cluster's.

use crate::Result;
use hickory_proto::{
    op::ResponseCode,
    rr::{Name, Record, RecordType},
};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
};
use std::{net::SocketAddr, time::Duration};
use tokio::sync::Semaphore;

/// Questions under way at once; further ones fail at once rather than queue beyond the client's patience.
const MAX_QUESTIONS: usize = 1000;
/// Patience with one server; clients ask again after 5 s.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Times a server is asked.
const ATTEMPTS: usize = 2;
/// Answers kept.
const CACHE: u64 = 4096;

/// What came back.
#[derive(Default)]
pub(super) struct Outcome {
    /// Response code.
    pub code: ResponseCode,
    /// Answer section.
    pub answers: Vec<Record>,
    /// Authority section: the SOA of a negative answer.
    pub authorities: Vec<Record>,
}

impl Outcome {
    fn failed(code: ResponseCode) -> Self {
        Self { code, ..Self::default() }
    }
}

/// The name servers outside, if there are any.
pub(super) struct Upstream {
    resolver: Option<TokioResolver>,
    questions: Semaphore,
}

impl Upstream {
    /// Prepares to ask `servers`; without any, every question is refused.
    pub fn new(servers: &[SocketAddr]) -> Result<Self> {
        let questions = Semaphore::new(MAX_QUESTIONS);
        if servers.is_empty() {
            return Ok(Self { resolver: None, questions });
        }
        let configs = servers.iter().map(|server| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            NameServerConfig::new(server.ip(), true, connections.into())
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), configs.collect());
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.timeout = TIMEOUT;
        options.attempts = ATTEMPTS;
        options.cache_size = CACHE;
        options.use_hosts_file = ResolveHosts::Never;
        Ok(Self { resolver: Some(builder.build()?), questions })
    }

    /// Asks for records of a name.
    pub async fn ask(&self, name: &Name, kind: RecordType) -> Outcome {
        let Some(resolver) = &self.resolver else { return Outcome::failed(ResponseCode::Refused) };
        let Ok(_permit) = self.questions.try_acquire() else { return Outcome::failed(ResponseCode::ServFail) };
        let mut name = name.clone();
        name.set_fqdn(true);
        match resolver.lookup(name, kind).await {
            Ok(lookup) => Outcome { answers: lookup.answers().to_vec(), ..Outcome::default() },
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                let soa = none.soa.map(|soa| (*soa).into_record_of_rdata());
                Outcome { code: none.response_code, answers: Vec::new(), authorities: soa.into_iter().collect() }
            }
            Err(NetError::Dns(DnsError::ResponseCode(code))) => Outcome::failed(code),
            Err(error) => {
                tracing::debug!(%error, "upstream");
                Outcome::failed(ResponseCode::ServFail)
            }
        }
    }
}
