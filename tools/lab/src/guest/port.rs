// SPDX-License-Identifier: GPL-2.0

//! The virtio ports of a guest, which QEMU connects to sockets.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};

/// The host's end of a port.
pub(crate) struct Port {
    listener: UnixListener,
    pass_to: Option<fn(&[u8])>,
    reader: Option<JoinHandle<Vec<u8>>>,
    /// Whether a byte was received.
    received: Arc<AtomicBool>,
}

impl Port {
    /// Creates the socket that QEMU connects to.
    pub(crate) fn listen(dir: &Path, name: &str, pass: bool) -> Result<Self> {
        // The path of a socket has at most 107 bytes, and that of the cache can be longer. The path
        // through the descriptor of the directory is short.
        let handle = fs::File::open(dir)?;
        let path = format!("/proc/self/fd/{}/{name}", handle.as_raw_fd());
        let listener = UnixListener::bind(path).context("cannot make a socket")?;
        listener.set_nonblocking(true)?;
        let to: fn(&[u8]) = if name == "errors" {
            |bytes| drop(std::io::stderr().write_all(bytes))
        } else {
            |bytes| {
                let mut out = std::io::stdout();
                drop(out.write_all(bytes).and_then(|()| out.flush()));
            }
        };
        Ok(Self {
            listener,
            pass_to: pass.then_some(to),
            reader: None,
            received: Arc::default(),
        })
    }

    /// Accepts the connection of QEMU, if it is there.
    pub(crate) fn accept(&mut self) -> Result<()> {
        if self.reader.is_some() {
            return Ok(());
        }
        let Ok((mut stream, _)) = self.listener.accept() else {
            return Ok(());
        };
        let pass_to = self.pass_to;
        let received = Arc::clone(&self.received);
        let thread = thread::spawn(move || {
            let mut all = Vec::new();
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                received.store(true, Ordering::Relaxed);
                match pass_to {
                    Some(pass) => pass(&buffer[..count]),
                    None => all.extend_from_slice(&buffer[..count]),
                }
            }
            all
        });
        self.reader = Some(thread);
        Ok(())
    }

    /// Returns whether a byte was received.
    pub(crate) fn has_received(&self) -> bool {
        self.received.load(Ordering::Relaxed)
    }

    /// Returns the bytes that were received and not passed on. QEMU must have ended: the reader
    /// ends when QEMU closes the socket.
    pub(crate) fn finish(self) -> Vec<u8> {
        let reader = self.reader.map(|reader| reader.join().unwrap_or_default());
        reader.unwrap_or_default()
    }
}
