//! Starting and stopping the server.

use super::{app::App, entry, tls};
use crate::agents::Agents;
use crate::verbs::Api;
use actix_web::{App as Actix, HttpServer, dev::Extensions, dev::ServerHandle, web};
use std::{
    any::Any,
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

type TlsStream = actix_tls::accept::rustls_0_23::TlsStream<tokio::net::TcpStream>;

/// Idle connections end after this long; also the interval of HTTP/2 pings.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Seconds that requests in flight get when the server stops.
const GRACE_SECONDS: u64 = 3;
/// Most worker threads; a connection lives on one of them.
const MAX_WORKERS: usize = 8;

/// Where to serve, and with which certificates.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Directory that [`crate::pki::ensure`] filled.
    pub pki: PathBuf,
}

impl ServerConfig {
    /// All addresses of this machine, at `port`; 0 lets the kernel choose.
    pub fn new(port: u16, pki: impl Into<PathBuf>) -> Self {
        Self { listen: (Ipv4Addr::UNSPECIFIED, port).into(), pki: pki.into() }
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
        let app = web::Data::new(App::new(api, address.to_string(), agents, stop.clone()));
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
        let server = HttpServer::new(move || {
            Actix::new().app_data(web::Data::clone(&app)).default_service(web::to(entry::entry))
        })
        .workers(workers)
        .keep_alive(KEEP_ALIVE)
        .h1_allow_half_closed(false)
        .tcp_nodelay(true)
        .disable_signals()
        .shutdown_timeout(GRACE_SECONDS)
        .on_connect(connected)
        .listen_rustls_0_23(self.listener, tls::server(&self.config.pki).map_err(ServerError::Tls)?)
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

/// Reads the client's certificate once per connection.
fn connected(connection: &dyn Any, data: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TlsStream>() else { return };
    let (_, session) = stream.get_ref();
    if let Some(peer) = session.peer_certificates().and_then(|c| c.first()).and_then(|c| entry::peer(c)) {
        data.insert(peer);
    }
}
