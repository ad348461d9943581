//! A network between a client and a server that fails without a word, once it is told to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// Carries bytes to a server and back; a connection that has lost something stays dead, and open.
pub struct Network {
    mode: Arc<Mutex<Mode>>,
    url: String,
}

#[derive(Clone, Copy)]
enum Mode {
    Whole,
    /// What the client sends is lost, with this in it and ever after.
    Swallows(&'static [u8]),
    /// What the server sends is lost after so many bytes from now on.
    Stalls(usize),
}

impl Network {
    /// Before the server of a `mysql://` URL.
    pub async fn before(url: &str) -> Self {
        let mut url = Url::parse(url).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(3306));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port()))
            .unwrap();
        let mode = Arc::new(Mutex::new(Mode::Whole));
        tokio::spawn(accept(listener, server, mode.clone()));
        Self {
            mode,
            url: url.into(),
        }
    }

    /// The way through it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Swallows whatever clients send.
    pub fn swallow(&self) {
        self.swallow_from(b"");
    }

    /// Swallows what a client sends, from a piece with these bytes on.
    pub fn swallow_from(&self, bytes: &'static [u8]) {
        *self.mode.lock().unwrap() = Mode::Swallows(bytes);
    }

    /// Loses what the server sends on a connection after so many bytes.
    pub fn stall_after(&self, n_bytes: usize) {
        *self.mode.lock().unwrap() = Mode::Stalls(n_bytes);
    }

    /// New connections are whole again.
    pub fn heal(&self) {
        *self.mode.lock().unwrap() = Mode::Whole;
    }
}

async fn accept(listener: TcpListener, server: String, mode: Arc<Mutex<Mode>>) {
    while let Ok((client, _)) = listener.accept().await {
        // A server that is down refuses its clients.
        let Ok(server) = TcpStream::connect(&server).await else {
            continue;
        };
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let is_dead = Arc::new(AtomicBool::new(false));
        let (dead, modes) = (is_dead.clone(), mode.clone());
        tokio::spawn(async move {
            let mut piece = vec![0; 65_536];
            while let Ok(size @ 1..) = from_client.read(&mut piece).await {
                let piece = &piece[..size];
                let is_lost = match *modes.lock().unwrap() {
                    Mode::Swallows(b"") => true,
                    Mode::Swallows(word) => piece.windows(word.len()).any(|part| part == word),
                    Mode::Whole | Mode::Stalls(_) => false,
                };
                dead.fetch_or(is_lost, Ordering::SeqCst);
                if !dead.load(Ordering::SeqCst) && to_server.write_all(piece).await.is_err() {
                    return;
                }
            }
        });
        let modes = mode.clone();
        tokio::spawn(async move {
            let mut n_bytes = 0;
            let mut piece = vec![0; 4_096];
            while let Ok(size @ 1..) = from_server.read(&mut piece).await {
                if let Mode::Stalls(most) = *modes.lock().unwrap() {
                    n_bytes += size;
                    is_dead.fetch_or(n_bytes > most, Ordering::SeqCst);
                }
                let is_whole = !is_dead.load(Ordering::SeqCst);
                if is_whole && to_client.write_all(&piece[..size]).await.is_err() {
                    return;
                }
            }
            // As long as it lost something, nobody hears of its end.
            while is_dead.load(Ordering::SeqCst) {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        });
    }
}
