//! A TCP stream that acknowledges at once and reads in big gulps. The `taos` crate sends two small messages in
//! a row without TCP_NODELAY; with delayed acknowledgements every such pair would cost some 40 ms. The
//! WebSocket layer reads 4 KiB at a time; a gulp spares it most of the system calls of a big message.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Holds a statement of the usual 250 KB in a few gulps, and costs an idle connection little.
const GULP: usize = 64 << 10;

pub(super) struct QuickAck {
    stream: TcpStream,
    gulp: Box<[u8]>,
    /// What of the gulp has not been handed on yet.
    start: usize,
    end: usize,
}

impl QuickAck {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let this = Self { stream, gulp: vec![0; GULP].into(), start: 0, end: 0 };
        this.arm();
        Ok(this)
    }

    /// The kernel forgets the wish after a while, so it is renewed when a read has emptied the socket. Failing costs only time.
    fn arm(&self) {
        #[cfg(target_os = "linux")]
        if let Err(error) = self.stream.set_quickack(true) {
            tracing::trace!(%error, "quick acknowledgement refused");
        }
    }
}

impl AsyncRead for QuickAck {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.start == this.end {
            let mut gulp = ReadBuf::new(&mut this.gulp);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut gulp))?;
            (this.start, this.end) = (0, gulp.filled().len());
            // a full gulp means that more is there already: nobody waits for an acknowledgement yet
            if this.end < GULP {
                this.arm();
            }
        }
        let count = buffer.remaining().min(this.end - this.start);
        buffer.put_slice(&this.gulp[this.start..this.start + count]);
        this.start += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for QuickAck {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
