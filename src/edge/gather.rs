//! A byte stream that holds small writes back until it is flushed, so that they leave together.
//!
//! Refuses to hold much, because what waits here is late: more than [`HELD`] bytes go out at once, in one vectored write. The engine
//! writes the head and the body of an answer apart and flushes after both; without this each becomes a TLS record and a system call
//! of its own, a fifth of the cost of a small answer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes may wait for a flush; the same as in the engine's own streams, whose flushes are placed for it.
const HELD: usize = 1460;

/// `T`, with small writes gathered.
#[derive(Debug)]
pub(super) struct Gather<T> {
    io: T,
    /// What was written and has not left; allocated only while something waits, so that an idle connection costs nothing.
    held: Vec<u8>,
}

impl<T> Gather<T> {
    pub(super) fn new(io: T) -> Self {
        Self { io, held: Vec::new() }
    }
}

impl<T: AsyncWrite + Unpin> Gather<T> {
    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let sent = ready!(Pin::new(&mut self.io).poll_write(cx, &self.held))?;
            self.forget(sent)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what is held and `bufs` together. Says how much of `bufs` left; at least something did.
    fn poll_together(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            let sent = if self.held.is_empty() {
                return Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
            } else if self.io.is_write_vectored() {
                let all: Vec<IoSlice<'_>> = std::iter::once(IoSlice::new(&self.held)).chain(bufs.iter().copied()).collect();
                ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &all))?
            } else {
                ready!(Pin::new(&mut self.io).poll_write(cx, &self.held))?
            };
            let beyond = sent.saturating_sub(self.held.len());
            self.forget(sent)?;
            if beyond > 0 {
                return Poll::Ready(Ok(beyond));
            }
        }
    }

    fn forget(&mut self, sent: usize) -> io::Result<()> {
        if sent == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        if sent < self.held.len() {
            self.held.drain(..sent);
        } else {
            self.held = Vec::new();
        }
        Ok(())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gather<T> {
    /// What is held leaves while nothing comes: an answer's writer who waits for the application also listens for the client's end,
    /// and has nothing more to write for now.
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if read.is_pending()
            && !self.held.is_empty()
            && let Poll::Ready(Err(error)) = self.as_mut().poll_flush(cx)
        {
            return Poll::Ready(Err(error));
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Gather<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let offered: usize = bufs.iter().map(|buf| buf.len()).sum();
        if self.held.len() + offered > HELD {
            return self.poll_together(cx, bufs);
        }
        if self.held.capacity() == 0 {
            self.held.reserve_exact(HELD);
        }
        for buf in bufs {
            self.held.extend_from_slice(buf);
        }
        Poll::Ready(Ok(offered))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_empty(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_empty(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// Keeps each write apart and takes at most `most` bytes of it.
    struct Wire {
        writes: Vec<Vec<u8>>,
        most: usize,
        vectored: bool,
    }

    impl Wire {
        fn gathered(most: usize, vectored: bool) -> Gather<Self> {
            Gather::new(Self { writes: Vec::new(), most, vectored })
        }
        fn all(&self) -> Vec<u8> {
            self.writes.concat()
        }
    }

    impl AsyncWrite for Wire {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let taken = buf.len().min(self.most);
            self.writes.push(buf[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }
        fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
            self.poll_write(cx, &all)
        }
        fn is_write_vectored(&self) -> bool {
            self.vectored
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn head_and_body_leave_in_one_write() -> io::Result<()> {
        let mut stream = Wire::gathered(usize::MAX, true);
        stream.write_all(b"head").await?;
        stream.write_all(b"body").await?;
        assert!(stream.io.writes.is_empty(), "it left before the flush");
        stream.flush().await?;
        assert_eq!(stream.io.writes, [b"headbody".to_vec()]);
        assert_eq!(stream.held.capacity(), 0, "an idle connection keeps a buffer");
        Ok(())
    }

    #[tokio::test]
    async fn what_is_held_leaves_while_the_other_side_is_silent() -> io::Result<()> {
        let (near, mut far) = duplex(64);
        let mut stream = Gather::new(near);
        stream.write_all(b"part of a body").await?;
        let reading = async { stream.read_u8().await };
        let answering = async move {
            let mut part = [0; 14];
            far.read_exact(&mut part).await?;
            far.write_u8(1).await?;
            Ok::<_, io::Error>(part)
        };
        let (read, part) = tokio::join!(reading, answering);
        assert_eq!((read?, &part?), (1, b"part of a body"));
        Ok(())
    }

    #[tokio::test]
    async fn a_large_body_leaves_at_once_with_the_head() -> io::Result<()> {
        let body = vec![b'x'; 64 * 1024];
        let mut stream = Wire::gathered(usize::MAX, true);
        stream.write_all(b"head").await?;
        stream.write_all(&body).await?;
        assert_eq!(stream.io.writes.len(), 1);
        assert_eq!(stream.io.all(), [b"head".as_slice(), &body].concat());
        Ok(())
    }

    #[tokio::test]
    async fn every_byte_arrives_once_and_in_order_however_little_the_wire_takes() -> io::Result<()> {
        for vectored in [true, false] {
            for most in [1, 3, 100, 1459, 1460, 1461, 5000] {
                let mut stream = Wire::gathered(most, vectored);
                let mut expected = Vec::new();
                for (count, size) in [1, 700, 1460, 1, 1459, 2, 4000, 0, 9].into_iter().enumerate() {
                    let chunk: Vec<u8> = (0..size).map(|at| u8::try_from((at + count * 7) % 251).unwrap_or_default()).collect();
                    stream.write_all(&chunk).await?;
                    expected.extend(chunk);
                }
                stream.shutdown().await?;
                assert_eq!(stream.io.all(), expected, "vectored {vectored}, at most {most}");
            }
        }
        Ok(())
    }

    #[tokio::test]
    async fn what_is_held_stays_while_the_wire_is_full() -> io::Result<()> {
        let (near, mut far) = duplex(8);
        let mut stream = Gather::new(near);
        let writing = async move {
            stream.write_all(b"held back, then more than the wire takes").await?;
            stream.shutdown().await
        };
        let mut read = Vec::new();
        let (written, read_all) = tokio::join!(writing, far.read_to_end(&mut read));
        written?;
        read_all?;
        assert_eq!(read, b"held back, then more than the wire takes");
        Ok(())
    }
}
