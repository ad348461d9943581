//! Connections: how many there may be, and how long a silent one is borne.
//!
//! The server tells HTTP/1 from HTTP/2 by the first bytes, and waits for those without a limit of its
//! own, for as long as they may become either. Here they must come in time. From then on its own limits
//! hold: for the head of each request, and for the answer to a ping.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// Connections at once; each costs memory even while it is silent.
const MOST_CONNECTIONS: usize = 1_024;
/// How every HTTP/2 connection begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Accepts connections through another acceptor, within limits.
#[derive(Debug, Clone)]
pub(super) struct Limited<A> {
    inner: A,
    permits: Arc<Semaphore>,
    begin_within: Duration,
}

impl<A> Limited<A> {
    pub(super) fn new(inner: A, begin_within: Duration) -> Self {
        Self {
            inner,
            permits: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
            begin_within,
        }
    }
}

impl<A, S> Accept<TcpStream, S> for Limited<A>
where
    A: Accept<TcpStream, S>,
    A::Future: Send + 'static,
{
    type Stream = Connection<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        let accepting = self.inner.accept(stream, service);
        let begin_within = self.begin_within;
        Box::pin(async move {
            let permit = permit.map_err(|_| io::Error::other("too many connections"))?;
            let (stream, service) = accepting.await?;
            let connection = Connection {
                stream,
                silence: Some(Box::pin(tokio::time::sleep(begin_within))),
                preface_left: PREFACE,
                _permit: permit,
            };
            Ok((connection, service))
        })
    }
}

/// A connection that counts, and that ends if it does not begin in time.
#[derive(Debug)]
pub(super) struct Connection<S> {
    stream: S,
    /// Until it is known which protocol it speaks.
    silence: Option<Pin<Box<Sleep>>>,
    /// What of the preface has not been heard yet.
    preface_left: &'static [u8],
    _permit: OwnedSemaphorePermit,
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n_before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.silence.is_none() {
            return read;
        }
        if read.is_ready() {
            let heard = buffer.filled().get(n_before..).unwrap_or_default();
            match self.preface_left.strip_prefix(heard) {
                Some(left) if !left.is_empty() && !heard.is_empty() => self.preface_left = left,
                // Another protocol, all of the preface, or the end.
                _ => self.silence = None,
            }
        } else if let Some(silence) = &mut self.silence
            && silence.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
