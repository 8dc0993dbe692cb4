// SPDX-License-Identifier: GPL-2.0

//! System calls that the libraries do not have.

use std::ffi::{c_long, c_void, CStr};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::ktap::{Failure, Outcome};
use rustix::io::Errno;
use rustix::thread::{unshare_unsafe, UnshareFlags};

/// `mount_setattr()`, the same number on every architecture but Alpha.
const MOUNT_SETATTR: c_long = 442;
const CACHESTAT: c_long = 451;
const STATMOUNT: c_long = 457;
const OPEN_TREE_ATTR: c_long = 467;

/// The error number that the C library has just left for this thread.
fn errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

fn check(result: c_long) -> Result<u64, Errno> {
    u64::try_from(result).map_err(|_| errno())
}

/// Copies this process and runs `child` in the copy, which ends with its answer.
///
/// The program has a single thread, and nothing that it does starts another.
pub(crate) fn fork(child: impl FnOnce() -> i32) -> Result<libc::pid_t, Errno> {
    // SAFETY: This process has one thread only, so its copy may do whatever it could (fork(2)).
    let pid = unsafe { libc::fork() };
    match pid {
        0 => {
            let status = child();
            // SAFETY: Ends this process without the handlers that belong to its parent.
            unsafe { libc::_exit(status) }
        }
        pid if pid < 0 => Err(errno()),
        pid => Ok(pid),
    }
}

/// Waits for the end of a child: its status as `waitpid()` gives it.
pub(crate) fn wait(pid: libc::pid_t) -> Result<i32, Errno> {
    let mut status = 0;
    loop {
        // SAFETY: `status` lives until the call returns.
        match unsafe { libc::waitpid(pid, &mut status, 0) } {
            result if result == pid => return Ok(status),
            _ if errno() == Errno::INTR => {}
            _ => return Err(errno()),
        }
    }
}

/// `mount_setattr()` with any bytes for a struct, of any length that is claimed up to theirs.
pub(crate) fn mount_setattr(
    dir: RawFd,
    path: &CStr,
    flags: i32,
    attr: Option<&[u8]>,
    size: usize,
) -> Result<u64, Errno> {
    let pointer = attr.map_or(std::ptr::null(), <[u8]>::as_ptr);
    // A size beyond the bytes is for sizes that the kernel refuses; it must find no memory there.
    // SAFETY: The kernel only reads, and answers EFAULT for what cannot be read; the path is a C
    // string, and both live until the call returns.
    check(unsafe { libc::syscall(MOUNT_SETATTR, dir, path.as_ptr(), flags, pointer, size) })
}

/// `open_tree_attr()`, likewise.
pub(crate) fn open_tree_attr(
    dir: RawFd,
    path: &CStr,
    flags: u32,
    attr: Option<&[u8]>,
    size: usize,
) -> Result<OwnedFd, Errno> {
    let pointer = attr.map_or(std::ptr::null(), <[u8]>::as_ptr);
    // SAFETY: As for `mount_setattr()`.
    let fd =
        check(unsafe { libc::syscall(OPEN_TREE_ATTR, dir, path.as_ptr(), flags, pointer, size) })?;
    // SAFETY: The call has just made this descriptor, so that nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// `statmount()`: what `mask` asks for about the mount with this unique id.
pub(crate) fn statmount(mount: u64, mask: u64) -> Result<Vec<u8>, Errno> {
    /// `struct mnt_id_req` of `linux/mount.h`, in its first version.
    #[repr(C)]
    struct Request {
        size: u32,
        spare: u32,
        mount: u64,
        param: u64,
    }
    let size = size_of::<Request>() as u32;
    let request = Request {
        size,
        spare: 0,
        mount,
        param: mask,
    };
    let mut buffer = vec![0u8; 1 << 16];
    // SAFETY: The request has the layout and size that it says, and the kernel writes no more
    // than the length of the buffer; both live until the call returns.
    check(unsafe {
        libc::syscall(
            STATMOUNT,
            std::ptr::from_ref(&request),
            buffer.as_mut_ptr(),
            buffer.len(),
            0,
        )
    })?;
    Ok(buffer)
}

/// An ioctl whose argument is `data`, read or written by the kernel.
///
/// `request` must be one whose argument is a plain struct without pointers, of no more than the
/// size of `data`.
pub(crate) fn ioctl(fd: BorrowedFd<'_>, request: u64, data: &mut [u8]) -> Result<u64, Errno> {
    // An ioctl number says how long its argument is; some lie, and take less than a page.
    assert!(data.len() >= (request >> 16 & 0x3fff) as usize);
    // SAFETY: The argument is as long as the request says, and lives until the call returns.
    check(c_long::from(unsafe {
        libc::ioctl(fd.as_raw_fd(), request as libc::Ioctl, data.as_mut_ptr())
    }))
}

/// An ioctl without an argument.
pub(crate) fn ioctl_without(fd: BorrowedFd<'_>, request: u64) -> Result<u64, Errno> {
    // SAFETY: A null pointer stands for no argument.
    check(c_long::from(unsafe {
        libc::ioctl(
            fd.as_raw_fd(),
            request as libc::Ioctl,
            std::ptr::null_mut::<u8>(),
        )
    }))
}

/// `fcntl()` with a number for its argument.
pub(crate) fn fcntl(fd: BorrowedFd<'_>, command: i32, argument: i32) -> Result<u64, Errno> {
    // SAFETY: None of the commands used here takes a pointer.
    check(c_long::from(unsafe {
        libc::fcntl(fd.as_raw_fd(), command, argument)
    }))
}

/// `F_SET_RW_HINT`: that what is written to a file will not live long.
pub(crate) fn set_write_hint(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    // `linux/fcntl.h`: `F_LINUX_SPECIFIC_BASE + 12`, `RWH_WRITE_LIFE_SHORT`.
    let (command, hint) = (1024 + 12, 2u64);
    // SAFETY: The kernel reads the hint, which lives until the call returns.
    check(c_long::from(unsafe {
        libc::fcntl(fd.as_raw_fd(), command, std::ptr::from_ref(&hint))
    }))
}

/// A file in memory, unmapped with the value.
pub(crate) struct Mapping {
    start: *mut c_void,
    length: usize,
}

impl Mapping {
    /// Maps the beginning of a file, for reading.
    pub(crate) fn of(fd: BorrowedFd<'_>, length: usize) -> Result<Self, Errno> {
        Self::new(fd, length, libc::MAP_PRIVATE)
    }

    /// Likewise, with what others write to it.
    pub(crate) fn shared(fd: BorrowedFd<'_>, length: usize) -> Result<Self, Errno> {
        Self::new(fd, length, libc::MAP_SHARED)
    }

    fn new(fd: BorrowedFd<'_>, length: usize, flags: i32) -> Result<Self, Errno> {
        // SAFETY: A new mapping at a place that the kernel chooses.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ,
                flags,
                fd.as_raw_fd(),
                0,
            )
        };
        match start {
            libc::MAP_FAILED => Err(errno()),
            start => Ok(Self { start, length }),
        }
    }

    /// Reads the first byte of each page, which brings it into memory.
    pub(crate) fn touch(&self) {
        for at in (0..self.length).step_by(4096) {
            // SAFETY: The place is in the mapping; nobody shortens the file meanwhile.
            unsafe { self.start.cast::<u8>().add(at).read_volatile() };
        }
    }

    /// `mincore()`: which of the pages are in memory.
    pub(crate) fn in_core(&self) -> Result<Vec<u8>, Errno> {
        let mut pages = vec![0; self.length.div_ceil(4096)];
        // SAFETY: The mapping is this long and there is a byte for each of its pages.
        check(c_long::from(unsafe {
            libc::mincore(self.start, self.length, pages.as_mut_ptr())
        }))?;
        Ok(pages)
    }

    /// `madvise()`.
    pub(crate) fn advise(&self, advice: i32) -> Result<u64, Errno> {
        // SAFETY: The advices used here change no contents of a mapping that is only read.
        check(c_long::from(unsafe {
            libc::madvise(self.start, self.length, advice)
        }))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: This mapping was made by `of()`, and no reference into it is left.
        unsafe { libc::munmap(self.start, self.length) };
    }
}

/// `cachestat()`: how many pages of the first `length` bytes are cached.
pub(crate) fn cachestat(fd: BorrowedFd<'_>, length: u64) -> Result<u64, Errno> {
    let range = [0u64, length];
    let mut answer = [0u64; 5];
    // SAFETY: Both are arrays of the 64-bit numbers of the two structs, and live long enough.
    check(unsafe {
        libc::syscall(
            CACHESTAT,
            fd.as_raw_fd(),
            range.as_ptr(),
            answer.as_mut_ptr(),
            0,
        )
    })?;
    Ok(answer[0])
}

/// `prctl()` with one number.
pub(crate) fn prctl(option: i32, argument: u64) -> Result<u64, Errno> {
    // SAFETY: None of the options used here takes a pointer.
    check(c_long::from(unsafe {
        libc::prctl(option, argument, 0, 0, 0)
    }))
}

/// The user id that `access()` and `setfsuid()` go by, of this thread.
pub(crate) fn set_fs_ids(user: u32, group: u32) {
    // SAFETY: Neither takes a pointer; both always succeed for who may, and are checked by use.
    unsafe {
        libc::setfsgid(group);
        libc::setfsuid(user);
    }
}

/// `access()` by the real ids, as the kernel does it (the C library may do it by itself).
pub(crate) fn faccessat(path: &CStr, mode: i32, flags: i32) -> Result<u64, Errno> {
    // SAFETY: The path is a C string that lives until the call returns.
    check(unsafe {
        libc::syscall(
            libc::SYS_faccessat2,
            libc::AT_FDCWD,
            path.as_ptr(),
            mode,
            flags,
        )
    })
}

/// Stops sharing namespaces with other processes.
pub(crate) fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: What must not be undone behind the back of other threads is the sharing of file
    // descriptors; there are none, and only namespaces are asked for.
    unsafe { unshare_unsafe(flags) }
}

/// `truncate()`.
pub(crate) fn truncate(path: &CStr, length: i64) -> Result<u64, Errno> {
    // SAFETY: The path is a C string that lives until the call returns.
    check(c_long::from(unsafe {
        libc::truncate(path.as_ptr(), length)
    }))
}

/// Runs something in a process of its own, which is gone with all that it mounted and opened;
/// [`None`] if it died.
pub(crate) fn in_child(run: impl FnOnce() -> Outcome) -> Option<Outcome> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).ok()?;
    let mut writer = File::from(writer);
    let pid = fork(|| {
        let (letter, text) = match run() {
            Ok(()) => ('o', String::new()),
            Err(Failure::Wrong(text)) => ('w', text),
            Err(Failure::Skip(text)) => ('s', text),
        };
        i32::from(write!(writer, "{letter}{text}").is_err())
    })
    .ok()?;
    drop(writer);
    let mut said = String::new();
    File::from(reader).read_to_string(&mut said).ok()?;
    wait(pid).ok()?;
    match (said.chars().next()?, said.get(1..)?.to_owned()) {
        ('o', _) => Some(Ok(())),
        ('s', text) => Some(Err(Failure::Skip(text))),
        (_, text) => Some(Err(Failure::Wrong(text))),
    }
}
/// A file handle, `struct file_handle` with the room that the kernel may need.
#[repr(C, align(4))]
#[derive(Clone)]
pub(crate) struct Handle {
    bytes: u32,
    kind: i32,
    handle: [u8; 128],
}

/// `name_to_handle_at()`.
pub(crate) fn name_to_handle(path: &CStr, flags: i32) -> Result<Handle, Errno> {
    let mut handle = Handle {
        bytes: 128,
        kind: 0,
        handle: [0; 128],
    };
    let mut mount = 0i32;
    // SAFETY: The handle has the room that it says, and all live until the call returns.
    check(unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            libc::AT_FDCWD,
            path.as_ptr(),
            std::ptr::from_mut(&mut handle),
            std::ptr::from_mut(&mut mount),
            flags,
        )
    })?;
    Ok(handle)
}

/// `open_by_handle_at()`.
pub(crate) fn open_by_handle(
    mount: BorrowedFd<'_>,
    handle: &Handle,
    flags: i32,
) -> Result<OwnedFd, Errno> {
    let mut handle = handle.clone();
    // SAFETY: The handle is one of the kernel's, and lives until the call returns.
    let fd = check(unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            mount.as_raw_fd(),
            std::ptr::from_mut(&mut handle),
            flags,
        )
    })?;
    // SAFETY: The call has just made this descriptor, so that nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// `quotactl_fd()` whose data are plain bytes.
pub(crate) fn quotactl(
    fd: BorrowedFd<'_>,
    command: u32,
    id: u32,
    data: &mut [u8],
) -> Result<u64, Errno> {
    assert!(data.len() >= 256, "room for each struct of quotas");
    // SAFETY: No struct of quotas is longer than the data, which live until the call returns.
    check(unsafe {
        libc::syscall(
            libc::SYS_quotactl_fd,
            fd.as_raw_fd(),
            command,
            id,
            data.as_mut_ptr(),
        )
    })
}

/// A child process that says something.
pub(crate) struct Child {
    pid: libc::pid_t,
    output: File,
}

/// Starts a process that says something.
pub(crate) fn child_with_output(run: impl FnOnce(&mut File)) -> Result<Child, Errno> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let pid = fork(|| {
        run(&mut File::from(writer));
        0
    })?;
    Ok(Child {
        pid,
        output: File::from(reader),
    })
}

impl Child {
    /// All that it says until its end.
    pub(crate) fn output(mut self) -> String {
        let mut said = String::new();
        // What it did not say is missed by who asked.
        let _ = self.output.read_to_string(&mut said);
        let _ = wait(self.pid);
        said
    }
}
