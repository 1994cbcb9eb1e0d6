//! Makes and starts one life of a container; and says how one ended.

use super::{Place, hooks, mounts, objects, place::container_id, security, volumes};
use crate::error::blocking;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;
use podium_lifecycle::{
    ContainerEnd,
    env::{self, Facts, Sources, expand, service_env},
    huge_pages, qos, resources,
};
use podium_oci::{ContainerConfig, ContainerExit, Exit, Image, Resources, RunError, Shim, UserSpec, logs};
use podium_types::Key;
use std::{
    io::SeekFrom,
    net::IpAddr,
    path::{Path, PathBuf},
};

/// Longest termination message, bytes (the kubelet's limit).
const MAX_MESSAGE: u64 = 4096;
/// Last words taken from the log instead: lines and bytes (the kubelet's limits).
const FALLBACK_LINES: u64 = 80;
const FALLBACK_BYTES: u64 = 2048;
/// Exit code of a container whose program could not be started.
const START_ERROR: i32 = 128;
/// Exit code where nobody could wait for the process.
const UNKNOWN: i32 = 137;

/// A container that runs.
pub(super) struct Started {
    pub at: Timestamp,
    /// Who it began as.
    pub user: UserSpec,
    /// Its postStart hook failed with this.
    pub hook_failure: Option<String>,
}

/// Why it does not.
pub(super) enum Failure {
    /// None was made.
    Config { reason: &'static str, message: String },
    /// It ended at once.
    Ended(ContainerEnd),
}

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Self {
        Self::Config { reason: "CreateContainerConfigError", message: error.to_string() }
    }
}

pub(super) async fn run(
    place: &Place,
    shim: &Shim,
    image: &Image,
    ips: &[IpAddr],
    name: &str,
    attempt: u32,
    target: Option<String>,
) -> Result<Started, Failure> {
    let missing = || Failure::Config { reason: "CreateContainerConfigError", message: format!("no container {name}") };
    let container = place.container(name).ok_or_else(missing)?;
    let given = place.shared.devices.prepare(&place.uid, name).await?;
    let mut env = environment(place, &container, image, ips).await?;
    env.extend(given.env.clone());
    if let Some(earlier) = attempt.checked_sub(1) {
        forget(place, shim, name, earlier).await;
    }
    let (here, spec, picture) = (place.clone(), container.clone(), image.clone());
    let mut config = blocking(move || config(&here, &spec, &picture, env, attempt)).await?;
    super::given::add(&mut config, given);
    config.join_pid = target;
    place.shared.recorder.record(crate::events::Note {
        pod: place.pod.clone(),
        container: Some(name.to_owned()),
        warning: false,
        reason: "Created".to_owned(),
        message: format!("Created container: {name}"),
    });
    let started = match shim.run(&config).await {
        Ok(started) => started,
        Err(RunError::Start(message)) => return Err(Failure::Ended(not_started(message))),
        Err(error) => {
            return Err(Failure::Config { reason: "CreateContainerError", message: error.to_string() });
        }
    };
    let hook = container.lifecycle.as_ref().and_then(|l| l.post_start.as_ref());
    let hook_failure = match hook {
        Some(hook) => hooks::run(shim, &config.id, ips, &container, hook).await.err(),
        None => None,
    };
    Ok(Started {
        at: started.started_at,
        user: config.user,
        hook_failure: hook_failure.map(|e| format!("PostStartHook failed: {e}")),
    })
}

fn not_started(message: String) -> ContainerEnd {
    let finished_at = Timestamp::now();
    ContainerEnd { code: START_ERROR, signal: None, reason: "StartError".to_owned(), message, finished_at }
}

/// What an earlier life leaves: its root file system; its log stays for `kubectl logs --previous`.
async fn forget(place: &Place, shim: &Shim, name: &str, attempt: u32) {
    let id = container_id(name, attempt);
    // Not there after a failed start.
    let _ = shim.delete(&id).await;
    let (dir, log) = (place.container_dir(&id), attempt.checked_sub(1).map(|a| place.log(name, a)));
    let outcome = blocking(move || {
        if dir.exists() {
            podium_oci::unmount(&dir)?;
            std::fs::remove_dir_all(&dir).map_err(crate::error::io("remove a container's files"))?;
        }
        if let Some(log) = log {
            // Rotated files go with the pod.
            let _ = std::fs::remove_file(log);
        }
        Ok(())
    });
    if let Err(error) = outcome.await {
        tracing::warn!(%error, "removing an ended container");
    }
}

async fn environment(
    place: &Place,
    container: &Container,
    image: &Image,
    ips: &[IpAddr],
) -> Result<Vec<(String, String)>, Failure> {
    let (maps, secrets) = objects::of_environment(container);
    let (here, spec) = (place.clone(), container.clone());
    let files = blocking(move || volumes::files_of_environment(&here, &spec)).await?;
    let (config_maps, secrets) = tokio::try_join!(objects::config_maps(place, maps), objects::secrets(place, secrets))?;
    let links = place.spec().and_then(|s| s.enable_service_links) != Some(false);
    // A static pod does not wait for the API.
    let known = crate::pods::is_static(&place.pod);
    let services = if known { place.shared.services.load_full() } else { place.shared.services().await };
    let kubernetes = Key::new("default", "kubernetes");
    // Those of the namespace; the API's own in every namespace.
    let visible = services.iter().filter(|(key, _)| **key == kubernetes || links && key.namespace == place.namespace());
    let sources = Sources {
        config_maps,
        secrets,
        files,
        services: service_env(visible.map(|(_, service)| service.as_ref())),
        facts: Facts {
            pod_ips: ips.to_vec(),
            host_ips: vec![place.shared.config.node_ip],
            allocatable: place.shared.machine.allocatable.clone(),
        },
    };
    let own = env::build(&place.pod, container, &sources)
        .map_err(|error| Failure::Config { reason: "CreateContainerConfigError", message: error.to_string() })?;
    // The image's variables come first, so that the pod's replace them.
    let mut all: Vec<(String, String)> =
        image.config.env.iter().filter(|(name, _)| own.iter().all(|(n, _)| n != name)).cloned().collect();
    if all.iter().chain(&own).all(|(name, _)| name != "HOSTNAME") {
        all.push(("HOSTNAME".to_owned(), super::files::hostname(place)));
    }
    all.extend(own);
    Ok(all)
}

/// Everything that libcontainer needs; blocking.
fn config(
    place: &Place,
    container: &Container,
    image: &Image,
    env: Vec<(String, String)>,
    attempt: u32,
) -> crate::Result<ContainerConfig> {
    let id = container_id(&container.name, attempt);
    let dir = place.container_dir(&id);
    let rootfs: PathBuf = match place.users() {
        Some(users) => {
            let base = place.shared.user_ids.take(&place.uid)?;
            place.shared.images.mount_mapped(image, &dir, &users, base)?
        }
        None => place.shared.images.mount(image, &dir)?,
    };
    let user = security::user(place, container, image, &rootfs)?;
    let find = |name: &str| env.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let words = |list: Option<&Vec<String>>| -> Vec<String> {
        list.into_iter().flatten().map(|text| expand(text, find)).collect()
    };
    let (command, arguments) = (words(container.command.as_ref()), words(container.args.as_ref()));
    let mut args = if command.is_empty() { image.config.entrypoint.clone() } else { command.clone() };
    args.extend(if arguments.is_empty() && command.is_empty() { image.config.cmd.clone() } else { arguments });
    if args.is_empty() {
        return Err(crate::Error::Other("no command specified".to_owned()));
    }
    let mounts = mounts::mounts(place, container, &id, &env)?;
    let cwd = container.working_dir.as_ref().filter(|d| !d.is_empty()).unwrap_or(&image.config.working_dir);
    let sizes = place.shared.machine.capacity.keys();
    let resources = Resources {
        huge_pages: huge_pages::container(container.resources.as_ref(), sizes),
        ..super::prepare::limits(&resources::container(container.resources.as_ref()))
    };
    let mut config = ContainerConfig {
        name: container.name.clone(),
        attempt,
        rootfs,
        args,
        cwd: cwd.clone(),
        user,
        mounts,
        resources,
        log_max_bytes: Some(place.shared.settings.log_max_bytes()),
        log_max_files: Some(place.shared.settings.container_log_max_files),
        oom_score_adj: qos::oom_score_adj(&place.pod, container, place.shared.machine.memory_bytes),
        tty: container.tty == Some(true),
        stdin: container.stdin == Some(true),
        stdin_once: container.stdin_once == Some(true),
        log_path: place.log(&container.name, attempt),
        id,
        env,
        ..ContainerConfig::default()
    };
    security::apply(place, container, &mut config)?;
    Ok(config)
}

/// How a life ended, with its last words.
pub(super) async fn end(place: &Place, exit: &ContainerExit) -> ContainerEnd {
    ended(place, &exit.id, &exit.exit).await
}

/// The same, from its id.
pub(super) async fn ended(place: &Place, id: &str, exit: &Exit) -> ContainerEnd {
    let code = exit.code.unwrap_or(UNKNOWN);
    let reason = match (exit.code, exit.oom_killed) {
        (None, _) => "ContainerStatusUnknown",
        (_, true) => "OOMKilled",
        (Some(0), _) => "Completed",
        _ => "Error",
    };
    let (name, attempt) = super::place::parse_id(id).unwrap_or((id, 0));
    let policy = place.container(name).and_then(|c| c.termination_message_policy);
    let mut message = last_words(&place.termination_log(id)).await;
    if message.is_empty() && code != 0 && policy.as_deref() == Some("FallbackToLogsOnError") {
        message = tail(&place.log(name, attempt)).await;
    }
    ContainerEnd { code, signal: exit.signal, reason: reason.to_owned(), message, finished_at: exit.finished_at }
}

async fn last_words(path: &Path) -> String {
    use tokio::io::{AsyncReadExt, AsyncSeekExt};
    let Ok(mut file) = tokio::fs::File::open(path).await else { return String::new() };
    let length = file.metadata().await.map_or(0, |meta| meta.len());
    let mut bytes = Vec::new();
    // The last of them; what cannot be read was not said.
    let _ = file.seek(SeekFrom::Start(length.saturating_sub(MAX_MESSAGE))).await;
    let _ = file.take(MAX_MESSAGE).read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn tail(path: &Path) -> String {
    let options = logs::Options { tail: Some(FALLBACK_LINES), ..logs::Options::default() };
    let Ok(mut lines) = logs::read(path, options, || true) else { return String::new() };
    let mut bytes = Vec::new();
    while let Some(Ok(chunk)) = lines.next().await {
        bytes.extend_from_slice(&chunk);
    }
    let start = bytes.len().saturating_sub(usize::try_from(FALLBACK_BYTES).unwrap_or(usize::MAX));
    String::from_utf8_lossy(&bytes[start..]).into_owned()
}
