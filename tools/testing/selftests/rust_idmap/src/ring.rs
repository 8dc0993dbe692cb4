// SPDX-License-Identifier: GPL-2.0

//! Single calls by io_uring, done by a thread of the kernel in the name of the caller.

use std::ffi::{c_long, c_void, CStr};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;

// `linux/io_uring.h`
pub(crate) const OPENAT: u8 = 18;
pub(crate) const UNLINKAT: u8 = 36;
pub(crate) const MKDIRAT: u8 = 37;
/// `IORING_OFF_SQ_RING`, where the other queue is as well, and `IORING_OFF_SQES`.
const RINGS: i64 = 0;
const ENTRIES: i64 = 0x1000_0000;
/// `IORING_ENTER_GETEVENTS`.
const WAIT: u32 = 1;
/// `IOSQE_ASYNC`.
const ASYNC: u8 = 1 << 4;

/// `struct io_uring_sqe`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Entry {
    opcode: u8,
    flags: u8,
    priority: u16,
    fd: i32,
    offset: u64,
    address: u64,
    length: u32,
    op_flags: u32,
    user_data: u64,
    rest: [u64; 3],
}

/// `struct io_uring_params`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Params {
    entries: u32,
    completions: u32,
    rest: [u32; 8],
    /// head, tail, ring_mask, ring_entries, flags, dropped, array, resv1, user_addr
    submitted: [u32; 10],
    /// head, tail, ring_mask, ring_entries, overflow, cqes, flags, resv1, user_addr
    completed: [u32; 10],
}

fn check(result: c_long) -> Result<c_long, Errno> {
    match result {
        0.. => Ok(result),
        _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}

/// Memory shared with the kernel, until the value is dropped.
struct Shared(*mut c_void, usize);

impl Shared {
    fn new(ring: &OwnedFd, offset: i64) -> Result<Self, Errno> {
        let length = 4096;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        // SAFETY: A new mapping at a place that the kernel chooses.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                protection,
                flags,
                ring.as_raw_fd(),
                offset,
            )
        };
        match start {
            libc::MAP_FAILED => Err(check(-1).err().unwrap_or(Errno::IO)),
            start => Ok(Self(start, length)),
        }
    }

    /// A number in it.
    fn at(&self, offset: u32) -> *mut u32 {
        assert!((offset as usize) < self.1 - 4);
        // SAFETY: The place is in the mapping.
        unsafe { self.0.cast::<u8>().add(offset as usize).cast() }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: This mapping was made by `new()`, and no reference into it is left.
        unsafe { libc::munmap(self.0, self.1) };
    }
}

/// Makes one call on a name in the working directory, with its mode and its flags.
pub(crate) fn call(opcode: u8, name: &CStr, mode: u32, op_flags: i32) -> Result<u64, Errno> {
    let mut params = Params::default();
    // SAFETY: The struct has the layout that the kernel fills in.
    let ring = check(unsafe {
        libc::syscall(libc::SYS_io_uring_setup, 1, std::ptr::from_mut(&mut params))
    })?;
    // SAFETY: The call has just returned this descriptor, so it has no other owner.
    let ring = unsafe { OwnedFd::from_raw_fd(ring as RawFd) };
    // A ring for one entry is far shorter than a page.
    let rings = Shared::new(&ring, RINGS)?;
    let entries = Shared::new(&ring, ENTRIES)?;
    let entry = Entry {
        opcode,
        flags: ASYNC,
        fd: libc::AT_FDCWD,
        address: name.as_ptr() as u64,
        length: mode,
        op_flags: op_flags as u32,
        ..Entry::default()
    };
    // SAFETY: The mappings are of this ring, whose offsets the kernel gave, and it reads the entry
    // and the tail only in the call below; the name lives until that has waited for the answer.
    unsafe {
        entries.0.cast::<Entry>().write(entry);
        rings.at(params.submitted[6]).write_volatile(0);
        rings.at(params.submitted[1]).write_volatile(1);
        let no_signals = std::ptr::null::<c_void>();
        let fd = ring.as_raw_fd();
        check(libc::syscall(
            libc::SYS_io_uring_enter,
            fd,
            1,
            1,
            WAIT,
            no_signals,
            0,
        ))?;
        // The answer is after the number of its call.
        let answer = rings
            .at(params.completed[5] + 8)
            .cast::<i32>()
            .read_volatile();
        match answer {
            0.. => Ok(0),
            errno => Err(Errno::from_raw_os_error(-errno)),
        }
    }
}
