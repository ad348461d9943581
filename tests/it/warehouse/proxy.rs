//! A proxy between the engine and a real server that loses answers, or speaks TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What happens to a connection that carries a DELETE; others pass.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Delete {
    /// It is cut before anything reaches the server.
    Dropped,
    /// It is cut when the server begins to answer.
    AnswerLost,
    /// As before, and from then on every connection is closed at once.
    AnswerLostAndServerGone,
}

/// Starts the proxy on a free port; returns its URL.
pub async fn losing(url: &str, delete: Delete) -> String {
    let target = authority(url);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let is_gone = Arc::new(AtomicBool::new(false));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (target, is_gone) = (target.clone(), Arc::clone(&is_gone));
            tokio::spawn(async move {
                if is_gone.load(Ordering::SeqCst) {
                    return;
                }
                let mut server = TcpStream::connect(&target).await.unwrap();
                let _ended = relay(client, &mut server, delete, &is_gone).await;
            });
        }
    });
    format!("http://{address}")
}

async fn relay(
    mut client: TcpStream,
    server: &mut TcpStream,
    delete: Delete,
    is_gone: &AtomicBool,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut piece = vec![0; 65_536];
    loop {
        let size = client.read(&mut piece).await?;
        if size == 0 {
            return Ok(());
        }
        request.extend_from_slice(&piece[..size]);
        if is_whole(&request) {
            break;
        }
    }
    let is_delete = String::from_utf8_lossy(&request).contains("DELETE FROM");
    if is_delete && delete == Delete::Dropped {
        return Ok(());
    }
    server.write_all(&request).await?;
    if is_delete {
        server.read_exact(&mut piece[..1]).await?;
        is_gone.store(delete == Delete::AnswerLostAndServerGone, Ordering::SeqCst);
        return Ok(());
    }
    copy_bidirectional(&mut client, server).await?;
    Ok(())
}

/// Starts a proxy that cuts every connection on which somebody asks for a text; returns its URL.
pub async fn without(url: &str, text: &'static str) -> String {
    noticing(url, text, || false).await
}

/// Starts a proxy that calls this whenever somebody asks for a text, and cuts the connection where it
/// says no; returns its URL.
pub async fn noticing(
    url: &str,
    text: &'static str,
    may_pass: impl Fn() -> bool + Clone + Send + Sync + 'static,
) -> String {
    let target = authority(url);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&target).await.unwrap();
            let may_pass = may_pass.clone();
            tokio::spawn(async move {
                let (mut answers, mut requests) = server.into_split();
                let (mut asks, mut hears) = client.into_split();
                tokio::select! {
                    _cut = forward(&mut asks, &mut requests, text, may_pass) => {}
                    _ended = tokio::io::copy(&mut answers, &mut hears) => {}
                }
            });
        }
    });
    format!("http://{address}")
}

/// Passes on what is asked until the text comes and may not pass; requests come as a whole, or nearly.
async fn forward(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    text: &str,
    may_pass: impl Fn() -> bool,
) -> std::io::Result<()> {
    let mut asked = Vec::new();
    let mut piece = vec![0; 65_536];
    loop {
        let size = from.read(&mut piece).await?;
        asked.extend_from_slice(&piece[..size]);
        if size == 0 {
            return Ok(());
        }
        if String::from_utf8_lossy(&asked).contains(text) {
            if !may_pass() {
                return Ok(());
            }
            asked.clear();
        }
        to.write_all(&piece[..size]).await?;
        asked.drain(..asked.len().saturating_sub(text.len()));
    }
}

/// Whether head and body of a request are there.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, _)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.trim().parse::<usize>().unwrap());
    request.len() >= head.len() + 4 + length
}

/// Starts a proxy that speaks TLS with a certificate of its own; returns its URL and the
/// certificate as PEM.
pub async fn with_tls(url: &str) -> (String, String) {
    let target = authority(url);
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(
        rustls::crypto::aws_lc_rs::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![certified.cert.der().clone()], key.unwrap())
    .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (target, acceptor) = (target.clone(), acceptor.clone());
            tokio::spawn(async move {
                // A client that does not trust the certificate hangs up here.
                if let Ok(client) = acceptor.accept(client).await {
                    pass(client, &target).await;
                }
            });
        }
    });
    (format!("https://localhost:{port}"), certified.cert.pem())
}

async fn pass(mut client: impl AsyncRead + AsyncWrite + Unpin, target: &str) {
    let mut server = TcpStream::connect(target).await.unwrap();
    let _ended = copy_bidirectional(&mut client, &mut server).await;
}

fn authority(url: &str) -> String {
    url.trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned()
}
