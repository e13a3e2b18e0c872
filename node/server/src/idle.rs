//! A stream that ends when nothing moves: the cure for half-open and stalled connections.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// Reads and writes of `inner` fail once nothing has moved in either direction for `idle`.
pub struct IdleIo<T> {
    inner: T,
    idle: Duration,
    moved: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl<T> IdleIo<T> {
    /// Starts counting now.
    pub fn new(inner: T, idle: Duration) -> Self {
        Self { inner, idle, moved: Instant::now(), alarm: Box::pin(sleep(idle)) }
    }

    /// Called with each outcome: notes progress, or looks at the clock while waiting.
    fn watch<R>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if outcome.is_ready() {
            self.moved = Instant::now();
            return outcome;
        }
        // The alarm is only moved when it rings, so progress costs no timer operation.
        while self.alarm.as_mut().poll(cx).is_ready() {
            let due = self.moved + self.idle;
            if due <= Instant::now() {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "nothing moved on this connection",
                )));
            }
            self.alarm.as_mut().reset(due);
        }
        Poll::Pending
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for IdleIo<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_read(cx, buf);
        this.watch(cx, outcome)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for IdleIo<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.watch(cx, outcome)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_shutdown(cx);
        this.watch(cx, outcome)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn silence_ends_the_connection() {
        let (near, _far) = tokio::io::duplex(64);
        let mut near = IdleIo::new(near, Duration::from_millis(5));
        assert_eq!(near.read(&mut [0; 8]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn what_moves_is_passed_on() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = IdleIo::new(near, Duration::from_secs(60));
        near.write_all(b"ping").await.unwrap();
        let mut heard = [0; 4];
        far.read_exact(&mut heard).await.unwrap();
        far.write_all(&heard).await.unwrap();
        near.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"ping");
    }
}
