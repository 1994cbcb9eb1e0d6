//! Where device plugins introduce themselves, and are followed from then on.

use super::{Devices, SOCKET, messages, messages::Registration, rpc};
use crate::shared::Shared;
use futures_util::{StreamExt, stream::FuturesUnordered};
use podium_supervision::{ChildSpec, Ctx, Farewell, Handle, Worker};
use std::{io, os::unix::fs::DirBuilderExt, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::mpsc,
};

/// Connections that are served at the same time.
const MAX_CONNECTIONS: usize = 64;
/// Registrations that wait to be followed.
const MAX_WAITING: usize = 64;
/// Plugins that are followed, those of former registrations included.
const MAX_PLUGINS: usize = 256;
/// Pause before a socket that cannot be had is tried again.
const RETRY: Duration = Duration::from_secs(60);

pub(crate) fn child(shared: &Arc<Shared>) -> ChildSpec {
    let shared = shared.clone();
    podium_supervision::child("devices", &Handle::new(), move || DevicesActor { shared: shared.clone() })
}

struct DevicesActor {
    shared: Arc<Shared>,
}

impl Worker for DevicesActor {
    type Msg = ();
    const CAPACITY: usize = 4;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        ctx.ready();
        self.open(ctx);
    }

    fn handle(&mut self, (): (), _: &mut Ctx<'_, Self>) {}

    fn stopping(&mut self, _: &mut Ctx<'_, Self>) -> Farewell {
        Farewell::Now
    }
}

impl DevicesActor {
    /// A node without a socket runs pods that need no plugin.
    fn open(&mut self, ctx: &mut Ctx<'_, Self>) {
        let shared = self.shared.clone();
        ctx.spawn(async move { shared.devices.serve().await }, |_, outcome, ctx| {
            let Err(error) = outcome;
            tracing::warn!(%error, "device plugins cannot register");
            ctx.later(RETRY, |me, ctx| me.open(ctx));
        });
    }
}

/// A socket that goes with its owner.
struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Who is gone already has been removed.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Devices {
    /// Serves until the socket fails.
    pub(super) async fn serve(&self) -> io::Result<std::convert::Infallible> {
        let socket = self.bind().await?;
        let (sender, mut registrations) = mpsc::channel(MAX_WAITING);
        let (mut connections, mut plugins) = (FuturesUnordered::new(), FuturesUnordered::new());
        loop {
            tokio::select! {
                accepted = socket.listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                    connections.push(self.hear(accepted?.0, sender.clone()));
                }
                Some(()) = connections.next() => {}
                Some((number, registration)) = registrations.recv() => {
                    if plugins.len() < MAX_PLUGINS {
                        plugins.push(self.follow(number, registration));
                    }
                }
                Some(()) = plugins.next() => {}
            }
        }
    }

    async fn bind(&self) -> io::Result<Socket> {
        std::fs::DirBuilder::new().recursive(true).mode(0o750).create(&self.dir)?;
        let path = self.dir.join(SOCKET);
        if UnixStream::connect(&path).await.is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("another node serves {}", path.display())));
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        Ok(Socket { path, listener })
    }

    async fn hear(&self, stream: UnixStream, sender: mpsc::Sender<(u64, Registration)>) {
        rpc::serve(stream, |method, message| {
            if method != "/v1beta1.Registration/Register" {
                return Err(format!("unknown method {method}"));
            }
            let registration = Registration::read(message)?;
            let number = self.enrol(&registration);
            sender.try_send((number, registration)).map_err(|_| "too many plugins register at a time".to_owned())?;
            Ok(Vec::new())
        })
        .await;
    }

    /// The number of this registration; whoever came before is not heard any more.
    fn enrol(&self, registration: &Registration) -> u64 {
        let mut plugins = self.plugins();
        let number = plugins.values().map(|(number, _)| *number).max().unwrap_or(0) + 1;
        plugins.insert(registration.resource.clone(), (number, registration.clone()));
        tracing::info!(
            resource = registration.resource,
            endpoint = registration.endpoint,
            "a device plugin registered"
        );
        number
    }

    /// Takes over the plugin's list of devices until it goes.
    async fn follow(&self, number: u64, registration: Registration) {
        let (resource, socket) = (registration.resource.as_str(), self.dir.join(&registration.endpoint));
        let current = || self.plugins().get(resource).is_some_and(|(last, _)| *last == number);
        let outcome = rpc::listen(&socket, "/v1beta1.DevicePlugin/ListAndWatch", &[], |message| {
            match messages::read_devices(&message) {
                Ok(devices) if current() => {
                    self.ledger().report(resource, devices);
                    self.changed.send_modify(|n| *n = n.wrapping_add(1));
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(error, resource, "a list of devices that cannot be read"),
            }
        })
        .await;
        if current() {
            let why = outcome.err().unwrap_or_else(|| "it ended its list".to_owned());
            tracing::warn!(why, resource, "a device plugin is gone");
            self.ledger().lost(resource);
            self.changed.send_modify(|n| *n = n.wrapping_add(1));
        }
    }
}
