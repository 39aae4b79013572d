//! The server: its socket, its workers, its routes.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    time::Duration,
};

use actix_web::{
    App, FromRequest, HttpRequest, HttpResponse, HttpServer, Resource, Responder,
    dev::{Handler, Server, ServerHandle},
    guard,
    middleware::from_fn,
    web::{self, Data},
};

use super::{
    HttpState, WebhookPorts, access, answer::Problem, documents, health, seat::Seats, shield, webhook,
};

/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long what a client still sends is swallowed after a refusal, so that it gets to read the refusal.
const SWALLOW_TIME: Duration = Duration::from_secs(5);
/// How long requests under way may take once the server stops: longer than a delivery waits for the store.
const STOP_TIME_S: u64 = 5;

/// A server that holds its address.
pub struct Listening {
    /// Where it listens.
    pub address: SocketAddr,
    /// Stops it.
    pub server: ServerHandle,
    /// Serves once it is polled, until it is stopped. Actors of workers need an actix `System` on the polling thread.
    pub run: Server,
}

/// Takes the address (port 0: a free one) for `workers` workers. Installs no signal handlers. Errors: the address is
/// not to be had; the error names it and a remedy, and keeps the kind.
pub fn listen(
    host: &str,
    port: u16,
    workers: usize,
    state: HttpState,
    ports: WebhookPorts,
) -> Result<Listening, io::Error> {
    let seats = Seats::default();
    let app = move || {
        let seat = seats.take();
        let door = webhook::Door { port: ports(seat.number()), _seat: seat };
        App::new()
            .app_data(Data::new(state.clone()))
            .app_data(Data::new(door))
            .wrap(from_fn(shield::shield))
            .configure(routes)
    };
    let named = |error: io::Error| {
        let message = format!(
            "cannot listen on {host}, port {port}: {error}; free it, or set `server.host` and `server.port`"
        );
        io::Error::new(error.kind(), message)
    };
    let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(named)?.collect();
    // One socket, so that each worker is one: where a name has several addresses, that of IPv4 is the expected one.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let mut refused = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    for address in addresses {
        let server = HttpServer::new(app.clone())
            .workers(workers.max(1))
            .disable_signals()
            .keep_alive(KEEP_ALIVE)
            .client_disconnect_timeout(SWALLOW_TIME)
            .shutdown_timeout(STOP_TIME_S)
            .bind(address);
        match server {
            Ok(server) => {
                let address = server.addrs().first().copied().unwrap_or(address);
                let run = server.run();
                return Ok(Listening { address, server: run.handle(), run });
            }
            Err(error) => refused = error,
        }
    }
    Err(named(refused))
}

/// What is not open is for operators, what is unknown too.
pub(super) fn routes(app: &mut web::ServiceConfig) {
    for path in ["/webhook/gitea", "/webhook/gitea/"] {
        let take = web::post().to(webhook::take);
        app.service(web::resource(path).route(take).default_service(web::to(only_post)));
    }
    app.service(reading("/health", health::live))
        .service(reading("/health/live", health::live))
        .service(reading("/health/ready", health::ready))
        .service(
            web::scope("")
                .wrap(from_fn(access::operators))
                .service(reading("/actors", documents::actors))
                .service(reading("/actors/{id:.+}", documents::actor))
                .service(reading("/api/v1/tasks", documents::tasks))
                .service(reading("/api/v1/tasks/{owner}/{repo}/{number}", documents::task))
                .service(reading("/api/v1/report", documents::report))
                .service(reading("/metrics", documents::metrics))
                .default_service(web::to(unknown)),
        );
}

/// A path that is read by GET, or HEAD where only the head is of interest.
fn reading<F, Args>(path: &str, document: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let is_reading = guard::Any(guard::Get()).or(guard::Head());
    web::resource(path).route(web::route().guard(is_reading).to(document)).default_service(web::to(only_get))
}

async fn only_post(request: HttpRequest) -> Result<HttpResponse, Problem> {
    Err(Problem::method_not_allowed(request.method().as_str(), request.path(), "POST"))
}

async fn only_get(request: HttpRequest) -> Result<HttpResponse, Problem> {
    Err(Problem::method_not_allowed(request.method().as_str(), request.path(), "GET, HEAD"))
}

async fn unknown(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let message = format!("there is nothing at {}", request.path());
    Err(Problem::not_found(message, "see /actors, /api/v1/tasks, /api/v1/report, /metrics and /health"))
}
