// SPDX-License-Identifier: GPL-2.0

//! Servers of FUSE (`linux/fuse.h`).

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{mount, MountFlags};

/// The number of the root directory.
pub const ROOT: u64 = 1;
/// `FUSE_INVALID_UIDGID`: the user or the group of a request without the caller's ids.
pub const INVALID_UIDGID: u32 = u32::MAX;

pub const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
pub const GETATTR: u32 = 3;
pub const MKDIR: u32 = 9;
pub const OPEN: u32 = 14;
pub const RELEASE: u32 = 18;
const INIT: u32 = 26;
pub const OPENDIR: u32 = 27;
pub const RELEASEDIR: u32 = 29;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;

/// The version of the protocol.
const VERSION: [u32; 2] = [7, 41];
/// `FUSE_INIT_EXT`: there is a second word of flags.
const INIT_EXT: u32 = 1 << 30;
/// `FUSE_ALLOW_IDMAP` in the second word of flags.
const ALLOW_IDMAP: u32 = 1 << 8;
/// The size of `struct fuse_in_header`.
const HEADER: usize = 40;
/// The size of the buffer for requests.
const BUFFER: usize = 1 << 20;

/// A request that has a reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub operation: u32,
    unique: u64,
    /// The number of the object.
    pub node: u64,
    pub user: u32,
    pub group: u32,
    /// The arguments of the operation.
    pub arguments: &'a [u8],
}

impl<'a> Request<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, arguments) = bytes.split_at_checked(HEADER)?;
        let word = |at: usize| Some(u32::from_ne_bytes(*header.get(at..)?.first_chunk()?));
        let long = |at: usize| Some(u64::from_ne_bytes(*header.get(at..)?.first_chunk()?));
        Some(Self {
            operation: word(4)?,
            unique: long(8)?,
            node: long(16)?,
            user: word(24)?,
            group: word(28)?,
            arguments,
        })
    }
}

/// The body of a reply: numbers one after the other.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reply(Vec<u8>);

impl Reply {
    fn u16(mut self, numbers: &[u16]) -> Self {
        self.0
            .extend(numbers.iter().flat_map(|it| it.to_ne_bytes()));
        self
    }

    fn u32(mut self, numbers: &[u32]) -> Self {
        self.0
            .extend(numbers.iter().flat_map(|it| it.to_ne_bytes()));
        self
    }

    fn u64(mut self, numbers: &[u64]) -> Self {
        self.0
            .extend(numbers.iter().flat_map(|it| it.to_ne_bytes()));
        self
    }

    /// `struct fuse_init_out`.
    fn init(allows_idmaps: bool) -> Self {
        let [major, minor] = VERSION;
        let flags = if allows_idmaps { ALLOW_IDMAP } else { 0 };
        // max_readahead, flags; max_background, congestion_threshold; max_write, time_gran;
        // max_pages, map_alignment; flags2, max_stack_depth.
        let reply = Self::default().u32(&[major, minor, 0, INIT_EXT]);
        let reply = reply.u16(&[0; 2]).u32(&[4096, 1]).u16(&[0; 2]);
        reply.u32(&[flags, 0]).u16(&[0; 12])
    }

    /// `struct fuse_open_out`.
    pub fn open() -> Self {
        Self::default().u64(&[0]).u32(&[0; 2])
    }

    /// `struct fuse_attr_out`. The kernel does not cache it.
    pub fn attributes(attributes: &Attributes) -> Self {
        Self::default().u64(&[0, 0]).attr(attributes)
    }

    /// `struct fuse_entry_out`. The kernel caches the name for some seconds, and the attributes not
    /// at all.
    pub fn entry(attributes: &Attributes, seconds: u64) -> Self {
        let reply = Self::default().u64(&[attributes.node, 0, seconds, 0, 0]);
        reply.attr(attributes)
    }

    /// `struct fuse_attr`.
    fn attr(self, attributes: &Attributes) -> Self {
        let &Attributes {
            node,
            size,
            mode,
            user,
            group,
        } = attributes;
        // ino, size, blocks and three times; their nanoseconds; mode, nlink, uid, gid, rdev,
        // blksize, flags.
        let reply = self.u64(&[node, size, 0, 0, 0, 0]).u32(&[0; 3]);
        reply.u32(&[mode, 1, user, group, 0, 4096, 0])
    }
}

/// The attributes of an object.
pub struct Attributes {
    pub node: u64,
    pub size: u64,
    pub mode: u32,
    pub user: u32,
    pub group: u32,
}

/// Replies to requests until the filesystem is unmounted.
pub fn serve(
    mut device: &File,
    allows_idmaps: bool,
    mut answer: impl FnMut(&Request<'_>) -> Result<Reply, Errno>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = match device.read(&mut buffer).map_err(error_of) {
            Ok(length) => length,
            Err(Errno::NODEV) => return Ok(()),
            // A caller no longer waits for the reply.
            Err(Errno::NOENT | Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        let request = buffer.get(..length).and_then(Request::parse);
        let request = request.ok_or(io::ErrorKind::UnexpectedEof)?;
        let answered = match request.operation {
            FORGET | BATCH_FORGET | INTERRUPT => continue,
            INIT => Ok(Reply::init(allows_idmaps)),
            _ => answer(&request),
        };
        let reply = packed(request.unique, answered);
        match device.write_all(&reply).map_err(error_of) {
            // A caller no longer waits for the reply.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn error_of(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// `struct fuse_out_header` and a body.
fn packed(unique: u64, answered: Result<Reply, Errno>) -> Vec<u8> {
    let (error, body) = match answered {
        Ok(Reply(body)) => (0, body),
        Err(errno) => (-errno.raw_os_error(), Vec::new()),
    };
    let length = (16 + body.len()) as u32;
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(error.to_ne_bytes());
    bytes.extend(unique.to_ne_bytes());
    bytes.extend(body);
    bytes
}

/// Opens a connection to the kernel.
pub fn open() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/fuse")
}

/// Mounts the filesystem of a server for root, with more options.
pub fn mounted(device: &File, target: &Path, options: &str) -> io::Result<()> {
    let options = format!(
        "fd={},rootmode=40000,user_id=0,group_id=0{options}",
        device.as_raw_fd()
    );
    let options = CString::new(options)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    Ok(mount("server", target, "fuse", flags, &*options)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_parsed() {
        let mut bytes = Vec::new();
        bytes.extend([46_u32, MKDIR].iter().flat_map(|it| it.to_ne_bytes()));
        bytes.extend([7_u64, 2].iter().flat_map(|it| it.to_ne_bytes()));
        let rest = [1000_u32, 1001, 5, 0];
        bytes.extend(rest.iter().flat_map(|it| it.to_ne_bytes()));
        assert_eq!(Request::parse(&bytes[..39]), None);
        bytes.extend(b"new\0");
        let request = Request {
            operation: MKDIR,
            unique: 7,
            node: 2,
            user: 1000,
            group: 1001,
            arguments: b"new\0",
        };
        assert_eq!(Request::parse(&bytes), Some(request));
    }

    #[test]
    fn replies_have_the_sizes_of_the_structures() {
        let attributes = Attributes {
            node: 2,
            size: 5,
            mode: 0o100600,
            user: 1000,
            group: 1001,
        };
        assert_eq!(Reply::init(true).0.len(), 64);
        assert_eq!(Reply::open().0.len(), 16);
        assert_eq!(Reply::attributes(&attributes).0.len(), 16 + 88);
        assert_eq!(Reply::entry(&attributes, 1).0.len(), 40 + 88);
        let bytes = packed(7, Err(Errno::NOENT));
        let head = [16, -libc::ENOENT].map(i32::to_ne_bytes).concat();
        assert_eq!(bytes, [&head[..], &7_u64.to_ne_bytes()].concat());
    }
}
