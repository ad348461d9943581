//! The certificate: read at the start, and again after a reload or when its files have changed.
//!
//! Invariant: a certificate that cannot be used takes no place; the one before it stays.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::config::TlsFiles;
use crate::schedule::Live;

/// How often the files are looked at without being told to.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// The certificate in use, and where the next one comes from.
pub(super) struct Certificate {
    files: TlsFiles,
    config: RustlsConfig,
    /// Of what was tried last: a bad file is complained about once.
    tried: [u8; 32],
}

/// Chain and key, as they are in the files.
struct Pem {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Pem {
    async fn read(files: &TlsFiles) -> io::Result<Self> {
        Ok(Self {
            chain: tokio::fs::read(&files.certificate_file).await?,
            key: tokio::fs::read(&files.key_file).await?,
        })
    }

    fn digest(&self) -> [u8; 32] {
        let parts = [Sha256::digest(&self.chain), Sha256::digest(&self.key)];
        Sha256::digest(parts.concat()).into()
    }
}

impl Certificate {
    /// Reads the files.
    pub(super) async fn read(files: &TlsFiles) -> io::Result<Self> {
        let named = |error| named(files, &error);
        let pem = Pem::read(files).await.map_err(named)?;
        let tried = pem.digest();
        let config = RustlsConfig::from_pem(pem.chain, pem.key).await;
        Ok(Self {
            files: files.clone(),
            config: config.map_err(named)?,
            tried,
        })
    }

    /// What connections are accepted with; it follows the files.
    pub(super) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// Follows the files, for ever.
    pub(super) async fn follow(mut self, mut live: watch::Receiver<Arc<Live>>) {
        loop {
            let looked = tokio::time::timeout(LOOK_AGAIN, live.changed()).await;
            if let Ok(Err(_)) = looked {
                // Nobody reloads any more: the process is about to end.
                std::future::pending::<()>().await;
            }
            match self.renew().await {
                Ok(true) => tracing::info!("the certificate was read again"),
                Ok(false) => {}
                Err(error) => tracing::error!(
                    %error,
                    "the certificate is refused; the one before it stays"
                ),
            }
        }
    }

    /// Takes what the files hold, if that is new.
    async fn renew(&mut self) -> io::Result<bool> {
        let pem = Pem::read(&self.files).await;
        let pem = pem.map_err(|error| named(&self.files, &error))?;
        let found = pem.digest();
        if found == self.tried {
            return Ok(false);
        }
        self.tried = found;
        let taken = self.config.reload_from_pem(pem.chain, pem.key).await;
        taken.map_err(|error| named(&self.files, &error))?;
        Ok(true)
    }
}

fn named(files: &TlsFiles, error: &io::Error) -> io::Error {
    io::Error::other(format!(
        "cannot use {} with {}: {error}; api.tls needs a chain and its key in PEM",
        files.certificate_file.display(),
        files.key_file.display()
    ))
}
