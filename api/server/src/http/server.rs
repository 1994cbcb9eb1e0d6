//! Starting and stopping the server.

use super::{accept, app::App, tls};
use crate::agents::Agents;
use crate::insight::Insight;
use crate::verbs::Api;
use actix_web::{dev::ServerHandle, web};
use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
};
use tokio_util::sync::CancellationToken;

/// Seconds that requests in flight get when the server stops.
const GRACE_SECONDS: u64 = 3;
/// Most worker threads; a connection lives on one of them.
const MAX_WORKERS: usize = 8;

/// Where to serve, with which certificates, and who knows more.
#[derive(Clone)]
pub struct ServerConfig {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Directory that [`crate::pki::ensure`] filled.
    pub pki: PathBuf,
    /// Looks into the running controllers, where there are any.
    pub insight: Option<Arc<dyn Insight>>,
}

impl ServerConfig {
    /// All addresses of this machine, at `port`; 0 lets the kernel choose.
    pub fn new(port: u16, pki: impl Into<PathBuf>) -> Self {
        Self { listen: (Ipv4Addr::UNSPECIFIED, port).into(), pki: pki.into(), insight: None }
    }
    /// The same, with somebody who knows what the controllers know.
    pub fn knowing(self, insight: Arc<dyn Insight>) -> Self {
        Self { insight: Some(insight), ..self }
    }
}

/// Why the server could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken, or not ours.
    #[error("listening on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// Certificates could not be read.
    #[error("certificates: {0}")]
    Tls(io::Error),
    /// It ended by itself.
    #[error("serving: {0}")]
    Serve(io::Error),
}

/// The HTTP server.
pub struct Server {
    listener: TcpListener,
    config: ServerConfig,
}

/// Stops the workers when the future that runs the server is dropped.
struct Stop(ServerHandle, CancellationToken);

impl Drop for Stop {
    fn drop(&mut self) {
        self.1.cancel();
        // The command is sent at once; the future would only wait for the end.
        drop(self.0.stop(false));
    }
}

impl Server {
    /// Takes the address.
    pub fn bind(config: ServerConfig) -> Result<Self, ServerError> {
        let listener = TcpListener::bind(config.listen).map_err(|e| ServerError::Listen(config.listen, e))?;
        Ok(Self { listener, config })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Binds and serves until `shutdown` comes; it may start before the backend is ready.
    pub async fn run(config: ServerConfig, api: Api, shutdown: impl Future<Output = ()>) -> Result<(), ServerError> {
        Self::bind(config)?.serve(api, shutdown).await
    }

    /// Serves until `shutdown` comes: open watches end, requests in flight get a moment.
    ///
    /// Must run within an actix system or a tokio `LocalSet`.
    pub async fn serve(self, api: Api, shutdown: impl Future<Output = ()>) -> Result<(), ServerError> {
        let stop = CancellationToken::new();
        let listen = self.config.listen;
        let address = self.address().map_err(|e| ServerError::Listen(listen, e))?;
        let agents = Agents::new(Arc::new(tls::client(&self.config.pki).map_err(ServerError::Tls)?));
        let app = web::Data::new(App::new(api, address.to_string(), agents, self.config.insight.clone(), stop.clone()));
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
        let tls = tls::server(&self.config.pki).map_err(ServerError::Tls)?;
        let server = actix_server::Server::build()
            .workers(workers)
            .disable_signals()
            .shutdown_timeout(GRACE_SECONDS)
            .listen("api", self.listener, move || accept::service(web::Data::clone(&app), tls.clone()))
            .map_err(|e| ServerError::Listen(listen, e))?
            .run();
        let guard = Stop(server.handle(), stop.clone());
        // A task of its own, so that it can still stop its workers when this future is dropped.
        let running = actix_rt::spawn(server);
        tokio::pin!(running);
        tokio::select! {
            ended = &mut running => flatten(ended),
            () = shutdown => {
                stop.cancel();
                guard.0.stop(true).await;
                flatten(running.await)
            }
        }
    }
}

fn flatten(ended: Result<io::Result<()>, tokio::task::JoinError>) -> Result<(), ServerError> {
    ended.map_err(io::Error::other).and_then(|r| r).map_err(ServerError::Serve)
}
