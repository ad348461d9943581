//! The HTTP clients below the driver: TLS, time-outs for connecting, and no second sending.

use std::path::Path;
use std::time::Duration;

use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

type Boxed = Box<dyn std::error::Error + Send + Sync>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the kernel goes on sending what the server does not acknowledge.
const UNHEARD_TIMEOUT: Duration = Duration::from_secs(10);
/// A statement has reached the server so long after it was begun to be sent, or it never will.
pub(crate) const DELIVERY: Duration = CONNECT_TIMEOUT.saturating_add(UNHEARD_TIMEOUT);
const KEEPALIVE: Duration = Duration::from_mins(1);
/// Below the shortest keep-alive of a server (3 s), so that it does not hang up on a request.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a client may do with its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connections {
    /// Kept for the next request; a request that met a closed one is sent again. For reads.
    Reused,
    /// A new one for every request, and nothing is ever sent again. For statements: a failure to
    /// connect then proves that nothing was sent.
    Fresh,
}

/// A driver without address or credentials. `ca_file` (PEM) replaces the built-in roots.
pub(super) fn client(
    ca_file: Option<&Path>,
    connections: Connections,
) -> Result<clickhouse::Client, Boxed> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    #[cfg(target_os = "linux")]
    if connections == Connections::Fresh {
        // Or else it is sent again and again, and arrives when the network is back.
        tcp.set_tcp_user_timeout(Some(UNHEARD_TIMEOUT));
    }
    let tls = HttpsConnectorBuilder::new();
    let tls = match ca_file {
        None => tls.with_provider_and_webpki_roots(default_provider())?,
        Some(path) => tls.with_tls_config(trusting(path)?),
    };
    let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
    let mut builder = Client::builder(TokioExecutor::new());
    match connections {
        Connections::Reused => builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT),
        Connections::Fresh => builder
            .pool_max_idle_per_host(0)
            .retry_canceled_requests(false),
    };
    Ok(clickhouse::Client::with_http_client(
        builder.build(connector),
    ))
}

fn trusting(ca_file: &Path) -> Result<ClientConfig, Boxed> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca_file)? {
        roots.add(certificate?)?;
    }
    if roots.is_empty() {
        return Err("it holds no certificate".into());
    }
    Ok(
        ClientConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

/// Whether a request failed before there was a connection, so that nothing was sent.
pub(super) fn is_connect_failure(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<Error>())
        .any(Error::is_connect)
}
