//! TLS with a certificate made for the test.

use std::sync::Arc;
use std::time::Duration;

use ebbtide::TlsFiles;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::api::{Api, Options};

fn certificate(folder: &std::path::Path) -> (TlsFiles, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let files = TlsFiles {
        certificate_file: folder.join("chain.pem"),
        key_file: folder.join("key.pem"),
    };
    std::fs::write(&files.certificate_file, made.cert.pem()).unwrap();
    std::fs::write(&files.key_file, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.der().clone())
}

/// A connection, for whoever trusts this certificate and no other.
async fn shake_hands(
    api: &Api,
    certificate: CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(api.url.trim_start_matches("https://")).await?;
    let name = ServerName::try_from("localhost").unwrap();
    connector.connect(name, stream).await
}

async fn until_it_shows(api: &Api, certificate: &CertificateDer<'static>) {
    for _ in 0..1_500 {
        if shake_hands(api, certificate.clone()).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited 30 s for the certificate");
}

#[tokio::test]
async fn the_api_speaks_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (files, certificate) = certificate(folder.path());
    let api = Api::with(Options {
        tls: Some(files),
        ..Options::default()
    })
    .await;
    let address = api.url.trim_start_matches("https://").to_owned();
    let mut stream = shake_hands(&api, certificate).await.unwrap();
    let request = "GET /v1/rules HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer viewer\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("{\"items\":[]}"), "{answer}");
    // In the clear it says nothing.
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    assert!(
        !String::from_utf8_lossy(&answer).contains("HTTP"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_certificate_that_is_none_ends_the_start_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let (files, _) = certificate(folder.path());
    std::fs::write(&files.key_file, "no key").unwrap();
    let api = Api::with(Options {
        tls: Some(files),
        ..Options::default()
    })
    .await;
    let error = api.stop().await.unwrap_err().to_string();
    assert!(
        error.contains("key.pem") && error.contains("api.tls"),
        "{error}"
    );
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_after_a_reload_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (files, first) = certificate(folder.path());
    let api = Api::with(Options {
        tls: Some(files.clone()),
        ..Options::default()
    })
    .await;
    shake_hands(&api, first.clone()).await.unwrap();
    let (_, second) = certificate(folder.path());
    shake_hands(&api, first.clone()).await.unwrap();
    api.reload(|_| {});
    until_it_shows(&api, &second).await;
    assert!(shake_hands(&api, first).await.is_err());

    // The key of another certificate, as long as half of a renewal is written.
    let chain = std::fs::read(&files.certificate_file).unwrap();
    let (_, third) = certificate(folder.path());
    let whole = std::fs::read(&files.certificate_file).unwrap();
    std::fs::write(&files.certificate_file, chain).unwrap();
    api.reload(|_| {});
    for _ in 0..50 {
        shake_hands(&api, second.clone()).await.unwrap();
    }
    std::fs::write(&files.certificate_file, whole).unwrap();
    api.reload(|_| {});
    until_it_shows(&api, &third).await;
}
