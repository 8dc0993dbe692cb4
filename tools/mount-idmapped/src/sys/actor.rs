// SPDX-License-Identifier: GPL-2.0

//! A process that is somebody else, and does single system calls for this one.
//!
//! Between `clone()` and its end the process calls nothing but the kernel and code that neither
//! allocates nor locks, as other threads may have held locks when it was copied.

use std::{
    ffi::{CStr, c_char, c_int, c_long},
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};

use super::{Blocked, check, reap};

/// `AT_EXECVE_CHECK` of `linux/fcntl.h`, since Linux 6.14.
const AT_EXECVE_CHECK: c_int = 0x10000;

/// Whom to become.
pub(crate) struct Become<'a> {
    /// The user namespace to move to, if it is not this program's.
    pub(crate) userns: Option<BorrowedFd<'a>>,
    /// Ids as that namespace calls them.
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) groups: &'a [u32],
    /// The effective capabilities.
    pub(crate) capabilities: u64,
}

/// A system call.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub(crate) enum Act {
    Stat,
    /// With these flags and mode.
    Open,
    Exec,
    Mkdir,
    Mkfifo,
    Symlink,
    Unlink,
    Rmdir,
    Rename,
    Link,
    Chmod,
    Chown,
    Touch,
    SetTimes,
    Truncate,
    /// The other path is the attribute's name and value, with a NUL between them.
    SetXattr,
}

/// The greatest length of what is sent with a request: two paths.
const ROOM: usize = 2 * libc::PATH_MAX as usize;

/// What is asked of the process.
#[repr(C)]
#[derive(Clone, Copy)]
struct Request {
    act: i32,
    numbers: [u64; 2],
    /// The lengths of the two texts, each with a NUL at its end.
    lengths: [usize; 2],
    texts: [u8; ROOM],
}

/// An error number or zero, and for [`Act::Stat`] the owner and the group that it was shown.
#[repr(C)]
struct Answer(i32, u32, u32);

/// An owner and a group that were shown, by the names that the process has for them.
pub(crate) type Seen = (u32, u32);

/// The process; it ends with this value, or with this program.
#[derive(Debug)]
pub(crate) struct Actor {
    pid: libc::pid_t,
    requests: OwnedFd,
    answers: OwnedFd,
}

impl Actor {
    /// Starts it, [`None`] as whom this program is; the error is that of becoming the other.
    pub(crate) fn start(who: Option<&Become<'_>>) -> Result<Self, Errno> {
        let (ask, requests) = pipe_with(PipeFlags::CLOEXEC)?;
        let (answers, tell) = pipe_with(PipeFlags::CLOEXEC)?;
        let blocked = Blocked::all()?;
        // SAFETY: Without CLONE_VM this is a fork: the child has its own copy of the memory. It
        // calls nothing but what the head of this file allows.
        let pid = check(unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) })?;
        if pid == 0 {
            let close = [requests.as_raw_fd(), answers.as_raw_fd()];
            serve(who, ask.as_raw_fd(), tell.as_raw_fd(), close);
        }
        drop(blocked);
        let actor = Self {
            pid: pid as libc::pid_t,
            requests,
            answers,
        };
        actor.answer()?.map(|_| actor)
    }

    /// Lets it make a system call. The outer error says that it could not be asked.
    pub(crate) fn act(
        &self,
        act: Act,
        numbers: [u64; 2],
        path: &[u8],
        other: &[u8],
    ) -> Result<Result<Seen, Errno>, Errno> {
        let mut request = Request {
            act: act as i32,
            numbers,
            lengths: [path.len() + 1, other.len() + 1],
            texts: [0; ROOM],
        };
        let rest = request
            .texts
            .get_mut(..path.len())
            .ok_or(Errno::NAMETOOLONG)?;
        rest.copy_from_slice(path);
        let end = path.len() + 1 + other.len();
        // The NUL at the end needs a place as well.
        if end >= ROOM {
            return Err(Errno::NAMETOOLONG);
        }
        request.texts[path.len() + 1..end].copy_from_slice(other);
        // SAFETY: The request is plain numbers without gaps that matter, and as long as is said;
        // a pipe takes that much at once or in parts, and this goes on until all is taken.
        let bytes = unsafe {
            std::slice::from_raw_parts(
                std::ptr::from_ref(&request).cast::<u8>(),
                size_of::<Request>(),
            )
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = rustix::io::write(&self.requests, rest)?;
            rest = rest.get(count..).unwrap_or_default();
        }
        self.answer()
    }

    fn answer(&self) -> Result<Result<Seen, Errno>, Errno> {
        let mut bytes = [0; size_of::<Answer>()];
        // So few bytes come at once or not at all.
        let count = rustix::io::retry_on_intr(|| rustix::io::read(&self.answers, &mut bytes))?;
        let ([a, b, c, d, e, f, g, h, i, j, k, l], true) = (bytes, count == bytes.len()) else {
            return Err(Errno::PIPE);
        };
        Ok(match i32::from_ne_bytes([a, b, c, d]) {
            0 => Ok((
                u32::from_ne_bytes([e, f, g, h]),
                u32::from_ne_bytes([i, j, k, l]),
            )),
            errno => Err(Errno::from_raw_os_error(errno)),
        })
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        reap(self.pid);
    }
}

/// What the process does.
fn serve(who: Option<&Become<'_>>, ask: c_int, tell: c_int, close: [c_int; 2]) -> ! {
    // SAFETY: Only system calls, on memory of this function.
    unsafe {
        for fd in close {
            libc::syscall(libc::SYS_close, fd);
        }
        let mut request: Request = std::mem::zeroed();
        let mut status: libc::stat = std::mem::zeroed();
        let mut answer = Answer(who.map_or(0, |who| become_other(who)), 0, 0);
        loop {
            let bytes = std::ptr::from_ref(&answer);
            let written = libc::syscall(libc::SYS_write, tell, bytes, size_of::<Answer>());
            if written != size_of::<Answer>() as c_long || !read_all(ask, &mut request) {
                loop {
                    libc::syscall(libc::SYS_exit_group, 0);
                }
            }
            let errno = perform(&request, &mut status);
            answer = Answer(errno, status.st_uid, status.st_gid);
        }
    }
}

/// Reads a request; not if there is none any more.
fn read_all(from: c_int, request: &mut Request) -> bool {
    let start = std::ptr::from_mut(request).cast::<u8>();
    let mut got = 0;
    while got < size_of::<Request>() {
        // SAFETY: `got` is within the request, and no more than the rest of it is written; any
        // bytes are a request, as it is made of numbers.
        let count = unsafe {
            libc::syscall(
                libc::SYS_read,
                from,
                start.add(got),
                size_of::<Request>() - got,
            )
        };
        if count <= 0 {
            return false;
        }
        got += count as usize;
    }
    true
}

/// The error number of a system call, zero if it has none.
fn error(result: c_long) -> i32 {
    if result >= 0 {
        return 0;
    }
    // SAFETY: The place of this thread's error number is valid.
    unsafe { *libc::__errno_location() }
}

/// `struct __user_cap_header_struct` and `struct __user_cap_data_struct` of `linux/capability.h`.
#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Becomes somebody else; an error number, or zero.
fn become_other(who: &Become<'_>) -> i32 {
    const VERSION_3: u32 = 0x2008_0522;
    let (user, group) = (who.user, who.group);
    let userns = who.userns.map(|fd| fd.as_raw_fd());
    let header = CapHeader {
        version: VERSION_3,
        pid: 0,
    };
    let half = |shift: u32| {
        let bits = (who.capabilities >> shift) as u32;
        CapData {
            effective: bits,
            permitted: bits,
            inheritable: 0,
        }
    };
    let data = [half(0), half(32)];
    // SAFETY: System calls whose pointers are to what lives until they return, with its length.
    // They are made raw, as those of the C library would look for other threads.
    unsafe {
        let steps: [&dyn Fn() -> c_long; 6] = [
            &|| match userns {
                Some(fd) => libc::syscall(libc::SYS_setns, fd, libc::CLONE_NEWUSER),
                None => 0,
            },
            // The capabilities are kept over the change of user, to be cut down last.
            &|| libc::syscall(libc::SYS_prctl, libc::PR_SET_KEEPCAPS, 1, 0, 0, 0),
            &|| libc::syscall(libc::SYS_setgroups, who.groups.len(), who.groups.as_ptr()),
            &|| libc::syscall(libc::SYS_setresgid, group, group, group),
            &|| libc::syscall(libc::SYS_setresuid, user, user, user),
            &|| libc::syscall(libc::SYS_capset, std::ptr::from_ref(&header), data.as_ptr()),
        ];
        for step in steps {
            let error = error(step());
            if error != 0 {
                return error;
            }
        }
    }
    0
}

/// Makes the system call; an error number, or zero.
fn perform(request: &Request, status: &mut libc::stat) -> i32 {
    let text = |from: usize, length: usize| {
        let bytes = request
            .texts
            .get(from..)
            .and_then(|texts| texts.get(..length));
        bytes.and_then(|bytes| CStr::from_bytes_until_nul(bytes).ok())
    };
    let [path_length, other_length] = request.lengths;
    let (Some(path), Some(other)) = (text(0, path_length), text(path_length, other_length)) else {
        return libc::EINVAL;
    };
    let value = request
        .texts
        .get(path_length + other.to_bytes_with_nul().len()..)
        .and_then(|rest| {
            rest.get(..other_length.checked_sub(other.to_bytes_with_nul().len() + 1)?)
        });
    let (p, o) = (path.as_ptr(), other.as_ptr());
    let [a, b] = request.numbers;
    let at = libc::AT_FDCWD;
    let empty: [*const c_char; 1] = [std::ptr::null()];
    let times = [libc::timespec {
        tv_sec: a as i64,
        tv_nsec: 0,
    }; 2];
    // SAFETY: System calls whose pointers are to texts that end with a NUL, or to what is as long
    // as is said; all live until they return.
    unsafe {
        use libc::syscall;
        error(match request.act {
            x if x == Act::Stat as i32 => {
                let status = std::ptr::from_mut(status);
                syscall(libc::SYS_newfstatat, at, p, status, 0)
            }
            x if x == Act::Open as i32 => {
                let fd = syscall(libc::SYS_openat, at, p, a as c_int, b as libc::mode_t);
                if fd >= 0 {
                    syscall(libc::SYS_close, fd);
                }
                fd
            }
            x if x == Act::Exec as i32 => {
                let none = empty.as_ptr();
                syscall(libc::SYS_execveat, at, p, none, none, AT_EXECVE_CHECK)
            }
            x if x == Act::Mkdir as i32 => syscall(libc::SYS_mkdirat, at, p, a as libc::mode_t),
            x if x == Act::Mkfifo as i32 => {
                let mode = libc::S_IFIFO | a as libc::mode_t;
                syscall(libc::SYS_mknodat, at, p, mode, 0)
            }
            x if x == Act::Symlink as i32 => syscall(libc::SYS_symlinkat, o, at, p),
            x if x == Act::Unlink as i32 => syscall(libc::SYS_unlinkat, at, p, 0),
            x if x == Act::Rmdir as i32 => syscall(libc::SYS_unlinkat, at, p, libc::AT_REMOVEDIR),
            x if x == Act::Rename as i32 => syscall(libc::SYS_renameat2, at, p, at, o, 0),
            x if x == Act::Link as i32 => syscall(libc::SYS_linkat, at, p, at, o, 0),
            x if x == Act::Chmod as i32 => syscall(libc::SYS_fchmodat, at, p, a as libc::mode_t),
            x if x == Act::Chown as i32 => syscall(
                libc::SYS_fchownat,
                at,
                p,
                a as libc::uid_t,
                b as libc::gid_t,
                0,
            ),
            x if x == Act::Touch as i32 => {
                let now = std::ptr::null::<libc::timespec>();
                syscall(libc::SYS_utimensat, at, p, now, 0)
            }
            x if x == Act::SetTimes as i32 => {
                syscall(libc::SYS_utimensat, at, p, times.as_ptr(), 0)
            }
            x if x == Act::Truncate as i32 => syscall(libc::SYS_truncate, p, a),
            x if x == Act::SetXattr as i32 => {
                let value = value.unwrap_or_default();
                syscall(libc::SYS_setxattr, p, o, value.as_ptr(), value.len(), 0)
            }
            _ => return libc::ENOSYS,
        })
    }
}
