//! Runs one probe once.

use super::{Place, grpc, hooks, http, place::container_id};
use podium_lifecycle::ProbeKind;
use podium_oci::Shim;
use std::{net::IpAddr, time::Duration};

/// The outcome; an error is what the event shows. It is counted for `/metrics/probes`.
pub(super) async fn run(
    place: &Place,
    shim: Option<&Shim>,
    ips: &[IpAddr],
    name: &str,
    attempt: u32,
    kind: ProbeKind,
) -> Result<(), String> {
    let outcome = probe(place, shim, ips, name, attempt, kind).await;
    place.shared.meter.probes.count(&place.uid, name, kind, outcome.is_ok());
    outcome
}

async fn probe(
    place: &Place,
    shim: Option<&Shim>,
    ips: &[IpAddr],
    name: &str,
    attempt: u32,
    kind: ProbeKind,
) -> Result<(), String> {
    let container = place.container(name).ok_or("no such container")?;
    let probe = match kind {
        ProbeKind::Startup => container.startup_probe.as_ref(),
        ProbeKind::Readiness => container.readiness_probe.as_ref(),
        ProbeKind::Liveness => container.liveness_probe.as_ref(),
    };
    let probe = probe.ok_or("no such probe")?;
    let seconds = probe.timeout_seconds.filter(|s| *s > 0).unwrap_or(1);
    let limit = Duration::from_secs(u64::from(seconds.unsigned_abs()));
    if let Some(exec) = &probe.exec {
        let shim = shim.ok_or("the pod's shim is gone")?;
        let id = container_id(name, attempt);
        let command = exec.command.clone().unwrap_or_default();
        let work = hooks::exec_output(shim, &id, command.clone());
        return match tokio::time::timeout(limit, work).await {
            Ok(Ok((0, _))) => Ok(()),
            Ok(Ok((_, output))) => Err(output),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(format!("command timed out: {command:?} timed out after {seconds}s")),
        };
    }
    if let Some(get) = &probe.http_get {
        return http::get(get, &container, ips, limit).await;
    }
    if let Some(tcp) = &probe.tcp_socket {
        let (host, port) = (http::host(tcp.host.as_deref(), ips)?, http::port(&tcp.port, &container)?);
        return match tokio::time::timeout(limit, http::connect(&host, port)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(format!("dial tcp {host}:{port}: i/o timeout")),
        };
    }
    if let Some(grpc) = &probe.grpc {
        let port = u16::try_from(grpc.port).map_err(|_| format!("invalid port {}", grpc.port))?;
        return grpc::check(&http::host(None, ips)?, port, grpc.service.as_deref().unwrap_or_default(), limit).await;
    }
    Err("this node does not support probes of this type".to_owned())
}
