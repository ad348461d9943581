//! The listener: plain or with TLS, and an end that lets requests at work finish.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::accept::DefaultAcceptor;
use axum_server::tls_rustls::RustlsAcceptor;
use hyper_util::rt::TokioTimer;
use tokio_util::sync::CancellationToken;

use super::App;
use super::connection::Limited;
use super::tls::Certificate;
use crate::config::TlsFiles;

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests at work may take once the end has come.
const GRACE: Duration = Duration::from_secs(10);

/// Serves the API until `shutdown`, then lets requests at work end for at most ten seconds.
///
/// # Errors
/// The listener or the certificate cannot be used.
pub async fn serve(
    app: App,
    listener: TcpListener,
    tls: Option<&TlsFiles>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    if app.live.borrow().config.api.tokens.is_empty() {
        tracing::warn!(
            %address,
            "no token is configured, so the API answers nobody; `ebbtide token` makes one"
        );
    }
    let live = app.live.clone();
    let router = super::router(app);
    match tls {
        None => plain(router, listener, shutdown).await,
        Some(files) => {
            // Refused only where another has been installed before, which then serves as well.
            drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
            let certificate = Certificate::read(files).await?;
            listener.set_nonblocking(true)?;
            let acceptor = Limited::new(RustlsAcceptor::new(certificate.config()), HEAD_TIMEOUT);
            let mut server = axum_server::from_tcp(listener)?.acceptor(acceptor);
            limit_silence(server.http_builder());
            let handle = Handle::new();
            let (end, follow) = (end_with(handle.clone(), shutdown), certificate.follow(live));
            let watch = async {
                tokio::join!(end, follow);
            };
            let answering = server.handle(handle).serve(router.into_make_service());
            with_watch(answering, watch).await
        }
    }
}

/// Serves `/metrics` and `/health` alone, for `api.metrics_listen`, until `shutdown`.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve_metrics(
    app: App,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> io::Result<()> {
    plain(super::metrics_router(app), listener, shutdown).await
}

async fn plain(
    router: Router,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let acceptor = Limited::new(DefaultAcceptor::new(), HEAD_TIMEOUT);
    let mut server = axum_server::from_tcp(listener)?.acceptor(acceptor);
    limit_silence(server.http_builder());
    let handle = Handle::new();
    let watch = end_with(handle.clone(), shutdown);
    let answering = server.handle(handle).serve(router.into_make_service());
    with_watch(answering, watch).await
}

async fn end_with(handle: Handle<std::net::SocketAddr>, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    handle.graceful_shutdown(Some(GRACE));
    // The server ends this future together with itself.
    std::future::pending::<()>().await;
}

async fn with_watch(
    answering: impl Future<Output = io::Result<()>>,
    watch: impl Future<Output = ()>,
) -> io::Result<()> {
    tokio::select! {
        ended = answering => ended,
        () = watch => Ok(()),
    }
}

/// A client that stays silent is cut off: before its first request, between two, and on HTTP/2 when it
/// answers no ping.
fn limit_silence(
    builder: &mut hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>,
) {
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD_TIMEOUT / 2)
        .keep_alive_timeout(HEAD_TIMEOUT / 2);
}
