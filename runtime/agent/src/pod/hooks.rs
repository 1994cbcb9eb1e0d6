//! postStart and preStop hooks, and the stop signal that follows.

use super::{Place, http, place::container_id};
use k8s_openapi::api::core::v1::{Container, LifecycleHandler};
use nix::sys::signal::Signal;
use podium_oci::{ExecConfig, Image, Shim};
use std::{net::IpAddr, str::FromStr, time::Duration};
use tokio::io::AsyncReadExt;

/// Longest output of a hook or probe that is looked at, bytes (the kubelet's limit).
const MAX_OUTPUT: u64 = 10 << 10;
/// An HTTP hook that takes longer has failed.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);

/// preStop hook, then the stop signal.
pub(super) async fn stop(
    place: &Place,
    shim: &Shim,
    ips: &[IpAddr],
    image: Option<Image>,
    name: &str,
    attempt: u32,
    grace_seconds: i64,
) {
    let id = container_id(name, attempt);
    let container = place.container(name);
    let lifecycle = container.as_ref().and_then(|c| c.lifecycle.as_ref());
    if let (Some(container), Some(hook)) = (&container, lifecycle.and_then(|l| l.pre_stop.as_ref()))
        && grace_seconds > 0
    {
        let limit = Duration::from_secs(grace_seconds.unsigned_abs());
        let outcome = tokio::time::timeout(limit, run(shim, &id, ips, container, hook)).await;
        if let Ok(Err(error)) = outcome {
            place.shared.recorder.record(crate::events::Note {
                pod: place.pod.clone(),
                container: Some(name.to_owned()),
                warning: true,
                reason: "FailedPreStopHook".to_owned(),
                message: format!("PreStopHook failed: {error}"),
            });
        }
    }
    let image = image.or_else(|| place.shared.images.get(container.as_ref()?.image.as_deref()?));
    let wish = lifecycle.and_then(|l| l.stop_signal.clone()).or_else(|| image?.config.stop_signal);
    let signal = wish.and_then(|text| signal(&text)).unwrap_or(libc::SIGTERM);
    if let Err(error) = shim.signal(&id, signal).await {
        tracing::debug!(%error, id, "stop signal");
    }
}

/// `SIGTERM`, `TERM` or a number.
pub(super) fn signal(text: &str) -> Option<i32> {
    let name = if text.starts_with("SIG") { text.to_owned() } else { format!("SIG{text}") };
    text.parse().ok().or_else(|| Signal::from_str(&name).ok().map(|s| s as i32))
}

/// Runs one hook to its end.
pub(super) async fn run(
    shim: &Shim,
    id: &str,
    ips: &[IpAddr],
    container: &Container,
    hook: &LifecycleHandler,
) -> Result<(), String> {
    if let Some(exec) = &hook.exec {
        let (code, output) = exec_output(shim, id, exec.command.clone().unwrap_or_default()).await?;
        return if code == 0 { Ok(()) } else { Err(format!("command exited with {code}: {output}")) };
    }
    if let Some(get) = &hook.http_get {
        return http::get(get, container, ips, HTTP_TIMEOUT).await;
    }
    if let Some(sleep) = &hook.sleep {
        tokio::time::sleep(Duration::from_secs(sleep.seconds.max(0).unsigned_abs())).await;
    }
    Ok(())
}

/// Runs a command in a container; its exit code and the beginning of what it wrote.
pub(super) async fn exec_output(shim: &Shim, id: &str, args: Vec<String>) -> Result<(i32, String), String> {
    let config = ExecConfig { args, stdout: true, stderr: true, ..ExecConfig::default() };
    let session = shim.exec(id, config).await.map_err(|e| e.to_string())?;
    let read = |stream: Option<podium_oci::Reader>| async move {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let mut start = (&mut stream).take(MAX_OUTPUT);
            // A broken pipe ends the output.
            let _ = start.read_to_end(&mut bytes).await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
        bytes
    };
    let output = async {
        let (mut out, err) = tokio::join!(read(session.stdout), read(session.stderr));
        out.extend(err);
        out
    };
    tokio::pin!(output);
    let wait = session.wait.wait();
    tokio::pin!(wait);
    // The command's end counts, even where a child of it keeps the output open.
    let mut text = None;
    let code = tokio::select! {
        code = &mut wait => code,
        bytes = &mut output => {
            text = Some(bytes);
            wait.await
        }
    }
    .map_err(|e| e.to_string())?;
    let bytes = match text {
        Some(bytes) => bytes,
        None => tokio::time::timeout(Duration::from_millis(100), output).await.unwrap_or_default(),
    };
    Ok((code, String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn signals_by_name_and_number() {
        for (text, expected) in [("SIGUSR1", Some(10)), ("INT", Some(2)), ("15", Some(15)), ("SIGNOPE", None)] {
            assert_eq!(super::signal(text), expected, "{text}");
        }
    }
}
