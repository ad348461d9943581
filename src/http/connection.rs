//! Connections: how many there may be, and how long a silent one is borne.
//!
//! The server tells HTTP/1 from HTTP/2 by the first bytes, and waits for those without a limit of its
//! own. Here they must come in time. From then on its own limits hold: for the head of each request, and
//! for the answer to a ping.

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

/// Accepts connections through another acceptor, within limits.
#[derive(Debug, Clone)]
pub(super) struct Limited<A> {
    inner: A,
    permits: Arc<Semaphore>,
    first_byte_within: Duration,
}

impl<A> Limited<A> {
    pub(super) fn new(inner: A, first_byte_within: Duration) -> Self {
        Self {
            inner,
            permits: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
            first_byte_within,
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
        let first_byte_within = self.first_byte_within;
        Box::pin(async move {
            let permit = permit.map_err(|_| io::Error::other("too many connections"))?;
            let (stream, service) = accepting.await?;
            let connection = Connection {
                stream,
                silence: Some(Box::pin(tokio::time::sleep(first_byte_within))),
                _permit: permit,
            };
            Ok((connection, service))
        })
    }
}

/// A connection that counts, and that ends if nothing is heard of it at first.
#[derive(Debug)]
pub(super) struct Connection<S> {
    stream: S,
    /// Until the first byte.
    silence: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.silence = None;
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
