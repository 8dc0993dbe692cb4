// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A process that becomes a caller, makes one system call, and ends.
//!
//! Between `clone()` and its end the process calls nothing but the kernel and code that neither
//! allocates nor locks, as other threads may have held locks when it was copied.

mod number;
mod subvolume;

use std::{
    ffi::{CStr, c_char, c_int, c_long},
    os::fd::{AsRawFd, BorrowedFd},
};

use rustix::{
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};

use super::{Blocked, btrfs::Subvol, clone, ids, reap};
use number::Number;

/// `AT_EXECVE_CHECK` of `linux/fcntl.h`, since Linux 6.14.
const AT_EXECVE_CHECK: c_int = 0x10000;

/// Where the paths of the caller begin.
#[derive(Clone, Copy)]
pub(crate) struct Start<'a> {
    /// The mount namespace, if it is not that of this program.
    pub(crate) mounts: Option<BorrowedFd<'a>>,
    pub(crate) root: BorrowedFd<'a>,
    pub(crate) directory: BorrowedFd<'a>,
}

/// The credentials of the caller, by ids of this program's user namespace.
#[derive(Clone, Copy)]
pub(crate) struct Become<'a> {
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) groups: &'a [u32],
    /// The user namespace to move to, if it is not this program's.
    pub(crate) userns: Option<BorrowedFd<'a>>,
    /// The effective capabilities.
    pub(crate) capabilities: u64,
}

/// An object on a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) device: (u32, u32),
    pub(crate) inode: u64,
    pub(crate) mount: u64,
}

/// A path that the process opens with `O_PATH`.
pub(crate) struct Way<'a> {
    pub(crate) path: &'a CStr,
    /// Further flags.
    pub(crate) flags: c_int,
    pub(crate) expected: Expected,
}

/// What a way leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    Object(Identity),
    /// Nothing, and the system call makes something.
    Missing,
    /// The kernel fails to open it, and nothing else is done.
    Failure,
}

/// A descriptor.
#[derive(Clone, Copy)]
pub(crate) enum At<'a> {
    /// That of the first or the second way.
    Way(usize),
    /// One of this program.
    Given(BorrowedFd<'a>),
    /// Names count from the working directory.
    Cwd,
}

/// A directory, and a name in it.
#[derive(Clone, Copy)]
pub(crate) struct Name<'a>(pub(crate) At<'a>, pub(crate) &'a CStr);

/// The system call.
pub(crate) enum Act<'a> {
    None,
    /// The owner and the group of the object.
    Stat,
    /// Opens the object anew.
    Reopen(c_int),
    Open(Name<'a>, c_int),
    Exec,
    /// Connects to the object.
    Connect,
    Mkdir(Name<'a>),
    Mkfifo(Name<'a>),
    Symlink(Name<'a>),
    Unlink(Name<'a>, c_int),
    Rename(Name<'a>, Name<'a>),
    /// Gives the object another name.
    Link(Name<'a>),
    Chmod(u32),
    Chown(u32, u32),
    /// To a second, or to now.
    Times(Option<i64>),
    /// To no bytes.
    Truncate,
    SetXattr(&'a CStr, &'a [u8]),
    /// Opens the directory of a name and makes an ioctl of btrfs with the name; the object is the
    /// subvolume of a snapshot.
    Subvol(Subvol, Name<'a>),
}

/// All that the process does.
pub(crate) struct Task<'a> {
    pub(crate) caller: Option<Become<'a>>,
    pub(crate) start: Option<Start<'a>>,
    pub(crate) ways: &'a [Way<'a>],
    /// The object that the system call is for; without one, that of the first way.
    pub(crate) object: Option<BorrowedFd<'a>>,
    pub(crate) act: Act<'a>,
}

/// Outcome of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The answer of the kernel, with the ids that `stat()` has shown.
    Done(Result<(u32, u32), Errno>),
    /// A path led to another object than was looked up.
    Changed,
}

/// What the process writes: a stage, an error number or zero, an owner and a group.
#[repr(C)]
#[derive(Clone, Copy)]
struct Answer([u32; 4]);

/// The stages that a process ends in.
const BECOMING: u32 = 1;
const CHANGED: u32 = 2;
const DONE: u32 = 3;

/// Runs a task in a process of its own. The error is that of becoming the caller.
pub(crate) fn perform(task: &Task<'_>) -> Result<Outcome, Errno> {
    let (answers, tell) = pipe_with(PipeFlags::CLOEXEC)?;
    let blocked = Blocked::all()?;
    // SAFETY: Without CLONE_VM this is a fork: the child has its own copy of the memory. It
    // calls nothing but the functions below, which keep to the rule at the head of this file.
    let pid = unsafe { clone(0) }?;
    if pid == 0 {
        let answer = run(task);
        let bytes = std::ptr::from_ref(&answer);
        // SAFETY: The answer lives until the call returns and has the length that is given; the
        // last call does not return.
        unsafe {
            libc::syscall(
                libc::SYS_write,
                tell.as_raw_fd(),
                bytes,
                size_of::<Answer>(),
            );
            loop {
                libc::syscall(libc::SYS_exit_group, 0);
            }
        }
    }
    drop(blocked);
    drop(tell);
    let mut bytes = [0; size_of::<Answer>()];
    // So few bytes come at once or not at all.
    let count = rustix::io::retry_on_intr(|| rustix::io::read(&answers, &mut bytes));
    reap(pid as libc::pid_t);
    if count? != bytes.len() {
        return Err(Errno::PIPE);
    }
    let word = |index: usize| {
        let word = bytes.get(4 * index..).and_then(<[u8]>::first_chunk);
        word.copied().map_or(0, u32::from_ne_bytes)
    };
    let errno = |number: u32| Errno::from_raw_os_error(number as i32);
    match (word(0), word(1)) {
        (DONE, 0) => Ok(Outcome::Done(Ok((word(2), word(3))))),
        (DONE, number) => Ok(Outcome::Done(Err(errno(number)))),
        (CHANGED, _) => Ok(Outcome::Changed),
        (_, 0) => Err(Errno::PIPE),
        (_, number) => Err(errno(number)),
    }
}

/// What the process does.
fn run(task: &Task<'_>) -> Answer {
    let stage = |stage, errno: i32| Answer([stage, errno as u32, 0, 0]);
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    let own = open(libc::AT_FDCWD, c"/proc/self/fd", flags);
    if let Some(start) = &task.start {
        let errno = move_to(start);
        if errno != 0 {
            return stage(BECOMING, errno);
        }
    }
    if let Some(caller) = &task.caller {
        let errno = become_other(caller);
        if errno != 0 {
            return stage(BECOMING, errno);
        }
    }
    let mut opened = [-1; 2];
    for (way, fd) in task.ways.iter().zip(&mut opened) {
        *fd = open(
            libc::AT_FDCWD,
            way.path,
            way.flags | libc::O_PATH | libc::O_CLOEXEC,
        );
        match (&way.expected, *fd) {
            (Expected::Missing, errno) if errno == -libc::ENOENT => {}
            (_, errno @ ..=-1) => return stage(DONE, -errno),
            (Expected::Object(expected), fd) if identity(fd).as_ref() == Some(expected) => {}
            _ => return stage(CHANGED, 0),
        }
    }
    let mut ids = (0, 0);
    let errno = match own {
        0.. => act(task, opened, own, &mut ids),
        errno => -errno,
    };
    Answer([DONE, errno as u32, ids.0, ids.1])
}

/// A descriptor, or the negative error number.
fn open(at: c_int, path: &CStr, flags: c_int) -> c_int {
    // SAFETY: The path lives until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_openat, at, path.as_ptr(), flags, 0) };
    match error(result) {
        0 => result as c_int,
        errno => -errno,
    }
}

/// `struct statx` of `linux/stat.h`, as words.
#[repr(C)]
struct RawStatx([u64; 32]);

/// The object that a descriptor is of.
fn identity(fd: c_int) -> Option<Identity> {
    /// `STATX_INO`, `STATX_MNT_ID` and `STATX_MNT_ID_UNIQUE`.
    const WANTED: u32 = 0x100 | 0x1000 | 0x4000;
    let mut status = RawStatx([0; 32]);
    // SAFETY: The path and the buffer, which has the size of `struct statx`, live until the call
    // returns.
    let result = unsafe {
        libc::syscall(
            libc::SYS_statx,
            fd,
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            WANTED,
            std::ptr::from_mut(&mut status),
        )
    };
    let [_, _, _, _, inode, .., _] = status.0;
    let [major, minor] = halves(status.0[17]);
    (error(result) == 0).then_some(Identity {
        device: (major, minor),
        inode,
        mount: status.0[18],
    })
}

/// Two numbers that follow each other in memory.
fn halves(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
    [[a, b, c, d], [e, f, g, h]].map(u32::from_ne_bytes)
}

/// The error number of a system call, zero if it has none.
fn error(result: c_long) -> i32 {
    if result >= 0 {
        return 0;
    }
    // SAFETY: The place of this thread's error number is valid.
    unsafe { *libc::__errno_location() }
}

/// The error number of the first step that has one, or zero.
fn first(steps: &[&dyn Fn() -> c_long]) -> i32 {
    for step in steps {
        let errno = error(step());
        if errno != 0 {
            return errno;
        }
    }
    0
}

/// Moves to where the paths of a caller begin; an error number, or zero.
fn move_to(start: &Start<'_>) -> i32 {
    let (root, directory) = (start.root.as_raw_fd(), start.directory.as_raw_fd());
    // SAFETY: System calls whose only pointer is to a text that lives.
    unsafe {
        first(&[
            &|| match start.mounts {
                Some(fd) => libc::syscall(libc::SYS_setns, fd.as_raw_fd(), libc::CLONE_NEWNS),
                None => 0,
            },
            &|| libc::syscall(libc::SYS_fchdir, root),
            &|| libc::syscall(libc::SYS_chroot, c".".as_ptr()),
            &|| libc::syscall(libc::SYS_fchdir, directory),
        ])
    }
}

/// `struct __user_cap_header_struct` and `struct __user_cap_data_struct` of `linux/capability.h`.
#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Takes the credentials of a caller; an error number, or zero.
///
/// The ids are changed in this program's user namespace, where all of them have names, and not in
/// the caller's, where some may have none.
fn become_other(who: &Become<'_>) -> i32 {
    const VERSION_3: u32 = 0x2008_0522;
    let (user, group) = (who.user, who.group);
    if user == u32::MAX || group == u32::MAX {
        return libc::EINVAL;
    }
    let header = CapHeader {
        version: VERSION_3,
        pid: 0,
    };
    let header = std::ptr::from_ref(&header);
    let half = |shift: u32| {
        let bits = (who.capabilities >> shift) as u32;
        CapData {
            effective: bits,
            permitted: bits,
            inheritable: 0,
        }
    };
    let last = [half(0), half(32)];
    // SAFETY: System calls whose pointers are to what lives until they return, with its length.
    // They are made raw, as those of the C library would look for other threads.
    unsafe {
        first(&[
            &|| libc::syscall(ids::SETGROUPS, who.groups.len(), who.groups.as_ptr()),
            // Capabilities are kept over the change of user, to be cut down last.
            &|| libc::syscall(libc::SYS_prctl, libc::PR_SET_KEEPCAPS, 1, 0, 0, 0),
            &|| libc::syscall(ids::SETRESGID, group, group, group),
            &|| libc::syscall(ids::SETRESUID, user, user, user),
            &|| {
                let Some(userns) = who.userns else { return 0 };
                let mut all = [CapData::default(); 2];
                let got = libc::syscall(libc::SYS_capget, header, all.as_mut_ptr());
                if got < 0 {
                    return got;
                }
                for half in &mut all {
                    half.effective = half.permitted;
                }
                let set = libc::syscall(libc::SYS_capset, header, all.as_ptr());
                if set < 0 {
                    return set;
                }
                libc::syscall(libc::SYS_setns, userns.as_raw_fd(), libc::CLONE_NEWUSER)
            },
            &|| libc::syscall(libc::SYS_capset, header, last.as_ptr()),
        ])
    }
}

/// Makes the system call; an error number, or zero. `own` is `/proc/self/fd`.
fn act(task: &Task<'_>, ways: [c_int; 2], own: c_int, ids: &mut (u32, u32)) -> i32 {
    use libc::syscall;
    let object = task.object.map_or(ways[0], |object| object.as_raw_fd());
    let number = Number::of(object);
    let number = number.as_ptr();
    let fd = |at: At<'_>| match at {
        At::Way(way) => ways.get(way).copied().unwrap_or(-1),
        At::Given(fd) => fd.as_raw_fd(),
        At::Cwd => libc::AT_FDCWD,
    };
    let open = |at: c_int, path: *const c_char, flags: c_int| {
        let flags = flags | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_LARGEFILE;
        // SAFETY: The path ends with a NUL and lives until the call returns.
        let fd = unsafe { syscall(libc::SYS_openat, at, path, flags, 0o666) };
        if fd >= 0 {
            // SAFETY: The descriptor was just made.
            unsafe { syscall(libc::SYS_close, fd) };
        }
        fd
    };
    // SAFETY: System calls whose pointers are to texts that end with a NUL, or to what is as long
    // as is given; all live until they return.
    unsafe {
        error(match &task.act {
            Act::None => 0,
            Act::Stat => {
                let mut status: libc::statx = std::mem::zeroed();
                let mask = libc::STATX_BASIC_STATS;
                let (path, flags) = (c"".as_ptr(), libc::AT_EMPTY_PATH);
                let place = std::ptr::from_mut(&mut status);
                let done = syscall(libc::SYS_statx, object, path, flags, mask, place);
                *ids = (status.stx_uid, status.stx_gid);
                done
            }
            Act::Reopen(flags) => open(own, number, *flags),
            Act::Open(Name(at, name), flags) => open(fd(*at), name.as_ptr(), *flags),
            Act::Exec => {
                let none: [*const c_char; 1] = [std::ptr::null()];
                let flags = libc::AT_EMPTY_PATH | AT_EXECVE_CHECK;
                let (path, none) = (c"".as_ptr(), none.as_ptr());
                syscall(libc::SYS_execveat, object, path, none, none, flags)
            }
            Act::Connect => {
                let mut address: libc::sockaddr_un = std::mem::zeroed();
                address.sun_family = libc::AF_UNIX as libc::sa_family_t;
                // A descriptor's number is shorter than any address.
                std::ptr::copy_nonoverlapping(number, address.sun_path.as_mut_ptr(), 12);
                let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
                let socket = libc::socket(libc::AF_UNIX, kind, 0);
                let place = std::ptr::from_ref(&address).cast();
                let length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
                match syscall(libc::SYS_fchdir, own) {
                    0 => libc::connect(socket, place, length).into(),
                    failed => failed,
                }
            }
            Act::Mkdir(Name(at, name)) => syscall(libc::SYS_mkdirat, fd(*at), name.as_ptr(), 0o777),
            Act::Mkfifo(Name(at, name)) => {
                let mode = libc::S_IFIFO | 0o666;
                syscall(libc::SYS_mknodat, fd(*at), name.as_ptr(), mode, 0)
            }
            Act::Symlink(Name(at, name)) => syscall(
                libc::SYS_symlinkat,
                c"target".as_ptr(),
                fd(*at),
                name.as_ptr(),
            ),
            Act::Unlink(Name(at, name), flags) => {
                syscall(libc::SYS_unlinkat, fd(*at), name.as_ptr(), *flags)
            }
            Act::Rename(Name(at, name), Name(to, new)) => {
                let (name, new) = (name.as_ptr(), new.as_ptr());
                syscall(libc::SYS_renameat2, fd(*at), name, fd(*to), new, 0)
            }
            Act::Link(Name(to, new)) => {
                let new = new.as_ptr();
                let flags = libc::AT_SYMLINK_FOLLOW;
                syscall(libc::SYS_linkat, own, number, fd(*to), new, flags)
            }
            Act::Chmod(mode) => syscall(libc::SYS_fchmodat, own, number, *mode),
            Act::Chown(user, group) => syscall(libc::SYS_fchownat, own, number, *user, *group, 0),
            Act::Times(second) => {
                let times = [libc::timespec {
                    tv_sec: second.unwrap_or_default() as _,
                    tv_nsec: 0,
                }; 2];
                let times = match second {
                    Some(_) => times.as_ptr(),
                    None => std::ptr::null(),
                };
                syscall(libc::SYS_utimensat, own, number, times, 0)
            }
            // These two have no form with a directory that all kernels have.
            Act::Truncate => match syscall(libc::SYS_fchdir, own) {
                0 => syscall(libc::SYS_truncate, number, 0),
                failed => failed,
            },
            Act::SetXattr(name, value) => match syscall(libc::SYS_fchdir, own) {
                0 => {
                    let (name, length) = (name.as_ptr(), value.len());
                    syscall(libc::SYS_setxattr, number, name, value.as_ptr(), length, 0)
                }
                failed => failed,
            },
            Act::Subvol(kind, Name(at, name)) => {
                return subvolume::act(*kind, own, number, fd(*at), name);
            }
        })
    }
}
