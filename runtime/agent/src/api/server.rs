//! Serves the API as an actor: a server that fails is built anew on the same socket.

use super::{auth, forward, info, logs, sessions, stats, system_logs, tls};
use crate::{Error, Result, error::io, shared::Shared};
use actix_web::{App, HttpServer, dev::Server, middleware::from_fn, web};
use podium_supervision::{ChildSpec, Ctx, Farewell, Handle, Worker};
use std::{net::TcpListener, sync::Arc, time::Duration};

/// Threads that serve.
const WORKERS: usize = 2;
/// How long open requests may take at the end, seconds.
const SHUTDOWN_SECONDS: u64 = 1;
/// How long an idle connection is kept: the API server keeps its own for re-use.
const KEEP_ALIVE: Duration = Duration::from_secs(90);

pub(crate) fn child(shared: &Arc<Shared>, listener: TcpListener) -> ChildSpec {
    let (shared, listener) = (shared.clone(), Arc::new(listener));
    podium_supervision::child("kubelet-api", &Handle::new(), move || ApiActor {
        shared: shared.clone(),
        listener: listener.clone(),
    })
}

struct ApiActor {
    shared: Arc<Shared>,
    listener: Arc<TcpListener>,
}

impl Worker for ApiActor {
    type Msg = ();
    const CAPACITY: usize = 4;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        match serve(&self.shared, &self.listener) {
            Ok(server) => {
                ctx.ready();
                ctx.spawn(server, |_, outcome, ctx| {
                    let why = outcome.err().map_or_else(|| "the server ended".to_owned(), |e| e.to_string());
                    ctx.fail(why);
                });
            }
            Err(error) => ctx.fail(error.to_string()),
        }
    }

    fn handle(&mut self, (): (), _: &mut Ctx<'_, Self>) {}

    fn stopping(&mut self, _: &mut Ctx<'_, Self>) -> Farewell {
        Farewell::Now
    }
}

fn serve(shared: &Arc<Shared>, listener: &TcpListener) -> Result<Server> {
    let listener = listener.try_clone().map_err(io("kubelet port"))?;
    let tls = tls::config(&shared.config)?;
    let data = web::Data::from(shared.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .wrap(from_fn(auth::gate))
            .route("/healthz", web::get().to(info::healthz))
            .route("/pods", web::get().to(info::pods))
            .route("/pods/", web::get().to(info::pods))
            .route("/runningpods/", web::get().to(info::running))
            .route("/logs/{path:.*}", web::route().to(system_logs::serve))
            .route("/configz", web::get().to(info::configz))
            .route("/metrics", web::get().to(stats::metrics))
            .route("/metrics/resource", web::get().to(stats::resources))
            .route("/metrics/cadvisor", web::get().to(stats::containers))
            .route("/metrics/probes", web::get().to(stats::probes))
            .route("/stats/summary", web::get().to(stats::summary))
            .route("/checkpoint/{namespace}/{pod}/{container}", web::post().to(info::checkpoint))
            .route("/actors", web::get().to(info::actors))
            .route("/actors/{path:.*}", web::delete().to(info::kill_actor))
            .route("/containerLogs/{namespace}/{pod}/{container}", web::get().to(logs::serve))
            .route("/exec/{namespace}/{pod}/{container}", web::route().to(sessions::exec))
            .route("/attach/{namespace}/{pod}/{container}", web::route().to(sessions::attach))
            .route("/portForward/{namespace}/{pod}", web::route().to(forward::serve))
    })
    .on_connect(auth::connected)
    .workers(WORKERS)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .h1_allow_half_closed(false)
    .disable_signals()
    .listen_rustls_0_23(listener, tls)
    .map_err(|error| Error::Tls(error.to_string()))?;
    Ok(server.run())
}
