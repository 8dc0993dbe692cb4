// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The system calls that no library has yet; every `unsafe` of this crate is here.

#[cfg(feature = "explain")]
mod actor;
#[cfg(feature = "explain")]
pub(crate) mod btrfs;
#[cfg(feature = "explain")]
mod sweeper;

#[cfg(feature = "explain")]
pub(crate) use actor::{
    Act, At, Become, Expected, Identity, Name, Outcome, Start, Task, Way, perform,
};
#[cfg(feature = "explain")]
pub(crate) use sweeper::{Made, Sweep, Sweeper};

use std::{
    ffi::{CStr, c_long},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::Command,
};

use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
    ioctl::{Opcode, opcode},
    process::{Gid, Uid},
    thread::{
        LinkNameSpaceType, UnshareFlags, move_into_link_name_space, set_thread_groups,
        set_thread_res_gid, set_thread_res_uid, unshare_unsafe,
    },
};

const MOUNT_SETATTR: c_long = number(442, libc::SYS_pidfd_open);
const STATMOUNT: c_long = number(457, libc::SYS_pidfd_open);
const LISTMOUNT: c_long = number(458, libc::SYS_pidfd_open);
const OPEN_TREE_ATTR: c_long = number(467, libc::SYS_pidfd_open);

/// `NSIO` of `linux/nsfs.h`.
const NSIO: u8 = 0xb7;
/// `NS_GET_NSTYPE`, `NS_GET_PARENT` and `NS_GET_OWNER_UID`, likewise.
const NS_GET_NSTYPE: Opcode = opcode::none(NSIO, 3);
const NS_GET_PARENT: Opcode = opcode::none(NSIO, 2);
#[cfg(feature = "explain")]
const NS_GET_OWNER_UID: Opcode = opcode::none(NSIO, 4);

/// The number of a system call that is `common` on most architectures. Those of Alpha and MIPS are
/// greater by as much as that of `pidfd_open()` is, which is 434 elsewhere.
const fn number(common: c_long, pidfd_open: c_long) -> c_long {
    common - 434 + pidfd_open
}

/// The calls with ids of 32 bits. The plain names are of calls with 16 bits on these architectures.
#[cfg(all(feature = "explain", any(target_arch = "x86", target_arch = "arm")))]
pub(crate) mod ids {
    pub(crate) use libc::{
        SYS_setfsgid32 as SETFSGID, SYS_setfsuid32 as SETFSUID, SYS_setgroups32 as SETGROUPS,
        SYS_setresgid32 as SETRESGID, SYS_setresuid32 as SETRESUID,
    };
}
/// The calls with ids of 32 bits.
#[cfg(all(
    feature = "explain",
    not(any(target_arch = "x86", target_arch = "arm"))
))]
pub(crate) mod ids {
    pub(crate) use libc::{
        SYS_setfsgid as SETFSGID, SYS_setfsuid as SETFSUID, SYS_setgroups as SETGROUPS,
        SYS_setresgid as SETRESGID, SYS_setresuid as SETRESUID,
    };
}

/// `MOUNT_ATTR_IDMAP`.
pub(crate) const ATTR_IDMAP: u64 = 0x0010_0000;

/// `struct mount_attr` of `linux/mount.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MountAttr {
    pub(crate) set: u64,
    pub(crate) clear: u64,
    pub(crate) propagation: u64,
    pub(crate) userns_fd: u64,
}

fn check(result: c_long) -> Result<c_long, Errno> {
    if result < 0 {
        // The C library has just set `errno` for this thread.
        let error = io::Error::last_os_error();
        Err(Errno::from_io_error(&error).unwrap_or(Errno::INVAL))
    } else {
        Ok(result)
    }
}

/// Changes the attributes of the mount that `tree` refers to, or of all mounts below it as well.
pub(crate) fn mount_setattr(
    tree: BorrowedFd<'_>,
    recursive: bool,
    attr: &MountAttr,
) -> Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: The path is a C string, `attr` has the layout and the size that are passed along,
    // and both live until the call returns.
    check(unsafe {
        libc::syscall(
            MOUNT_SETATTR,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(attr),
            size_of::<MountAttr>(),
        )
    })
    .map(drop)
}

/// Copies the mount or tree of mounts at `path` and changes the attributes of the copy, of which
/// the map may be another one than before.
pub(crate) fn open_tree_attr(
    at: BorrowedFd<'_>,
    path: &CStr,
    flags: u32,
    attr: &MountAttr,
) -> Result<OwnedFd, Errno> {
    // SAFETY: `attr` has the layout and the size that are passed along, and it and the path live
    // until the call returns.
    let fd = check(unsafe {
        libc::syscall(
            OPEN_TREE_ATTR,
            at.as_raw_fd(),
            path.as_ptr(),
            flags,
            std::ptr::from_ref(attr),
            size_of::<MountAttr>(),
        )
    })?;
    // SAFETY: The call has just made this descriptor, so that nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// `struct mnt_id_req` of `linux/mount.h`, in its second version, of which the first one has all
/// but the last number.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct MountRequest {
    size: u32,
    spare: u32,
    mount: u64,
    param: u64,
    namespace: u64,
}

impl MountRequest {
    pub(crate) fn new(mount: u64, param: u64) -> Self {
        Self {
            // `MNT_ID_REQ_SIZE_VER0`
            size: 24,
            spare: 0,
            mount,
            param,
            namespace: 0,
        }
    }

    /// A request about another mount namespace than that of this program.
    pub(crate) fn in_namespace(mut self, namespace: u64) -> Self {
        self.size = size_of::<Self>() as u32;
        self.namespace = namespace;
        self
    }
}

/// The id of a mount namespace, since Linux 6.11.
pub(crate) fn mount_namespace_id(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    /// `NS_GET_MNTNS_ID`, likewise.
    const NS_GET_MNTNS_ID: Opcode = opcode::read::<u64>(NSIO, 5);
    let mut id = 0u64;
    // SAFETY: This ioctl writes an id to where its argument points, which lives until it returns.
    check(c_long::from(unsafe {
        libc::ioctl(
            fd.as_raw_fd(),
            NS_GET_MNTNS_ID as libc::Ioctl,
            std::ptr::from_mut(&mut id),
        )
    }))?;
    Ok(id)
}

/// Fills `buffer` with what is asked for about a mount.
pub(crate) fn statmount(request: &MountRequest, buffer: &mut [u8]) -> Result<(), Errno> {
    // SAFETY: The request has the layout and the size that it says, and the kernel writes no more
    // than the length of the buffer; both live until the call returns.
    check(unsafe {
        libc::syscall(
            STATMOUNT,
            std::ptr::from_ref(request),
            buffer.as_mut_ptr(),
            buffer.len(),
            0,
        )
    })
    .map(drop)
}

/// Fills `ids` with the ids of the mounts that are asked for, and returns their number.
pub(crate) fn listmount(request: &MountRequest, ids: &mut [u64]) -> Result<usize, Errno> {
    // SAFETY: As for `statmount()`; the length is in numbers.
    check(unsafe {
        libc::syscall(
            LISTMOUNT,
            std::ptr::from_ref(request),
            ids.as_mut_ptr(),
            ids.len(),
            0,
        )
    })
    .map(|count| count as usize)
}

/// The `CLONE_NEW...` flag of the namespace that `fd` refers to; an error if it is no namespace.
pub(crate) fn namespace_type(fd: BorrowedFd<'_>) -> Result<i32, Errno> {
    // SAFETY: This ioctl takes no argument.
    check(c_long::from(unsafe {
        libc::ioctl(fd.as_raw_fd(), NS_GET_NSTYPE as libc::Ioctl)
    }))
    .map(|kind| kind as i32)
}

/// The user namespace above another one; `EPERM` if that is above this program's own.
pub(crate) fn namespace_parent(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    // SAFETY: This ioctl takes no argument.
    let parent = check(c_long::from(unsafe {
        libc::ioctl(fd.as_raw_fd(), NS_GET_PARENT as libc::Ioctl)
    }))?;
    // SAFETY: The call has just made this descriptor, so that nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(parent as i32) })
}

/// Who made a user namespace, as this program's own calls that user.
#[cfg(feature = "explain")]
pub(crate) fn namespace_owner(fd: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut owner: libc::uid_t = 0;
    // SAFETY: This ioctl writes an id to where its argument points, which lives until it returns.
    check(c_long::from(unsafe {
        libc::ioctl(
            fd.as_raw_fd(),
            NS_GET_OWNER_UID as libc::Ioctl,
            std::ptr::from_mut(&mut owner),
        )
    }))?;
    Ok(owner)
}

/// Runs `act` with these ids of an owner and a group for new files of this thread, and with the
/// capabilities that it has. Without the right to that, it runs with the ids that this thread has.
#[cfg(feature = "explain")]
pub(crate) fn with_owner<T>(user: u32, group: u32, act: impl FnOnce() -> T) -> T {
    // Capabilities are not dropped with a change of the id.
    const NO_SETUID_FIXUP: c_long = 1 << 2;
    let prctl = |option: i32, bits: c_long| {
        // SAFETY: These options take a number and no pointer.
        unsafe { libc::syscall(libc::SYS_prctl, option, bits, 0, 0, 0) }
    };
    let before = prctl(libc::PR_GET_SECUREBITS, 0);
    if before < 0 || prctl(libc::PR_SET_SECUREBITS, before | NO_SETUID_FIXUP) < 0 {
        return act();
    }
    let set = |number: c_long, id: u32| {
        // SAFETY: These calls take a number; they are of this thread alone when made raw.
        unsafe { libc::syscall(number, id) as u32 }
    };
    let (old_user, old_group) = (set(ids::SETFSUID, user), set(ids::SETFSGID, group));
    let result = act();
    set(ids::SETFSGID, old_group);
    set(ids::SETFSUID, old_user);
    prctl(libc::PR_SET_SECUREBITS, before);
    result
}

/// The signals that were blocked before, to be unblocked by [`Drop`].
pub(crate) struct Blocked(libc::sigset_t);

impl Blocked {
    /// Blocks every signal that can be blocked for this thread.
    pub(crate) fn all() -> Result<Self, Errno> {
        // SAFETY: A signal set is plain bits, for which zero is a value.
        let mut every: libc::sigset_t = unsafe { std::mem::zeroed() };
        let mut before = every;
        // SAFETY: Both pointers are to signal sets that live until the calls return.
        let result = unsafe {
            libc::sigfillset(&mut every);
            libc::pthread_sigmask(libc::SIG_SETMASK, &every, &mut before)
        };
        if result == 0 {
            Ok(Self(before))
        } else {
            Err(Errno::from_raw_os_error(result))
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: The set is the one that the system gave, the other pointer may be null.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}

/// Copies this process, with these flags and no signal at its end. Returns 0 in the copy.
///
/// # Safety
///
/// The flags do not have `CLONE_VM`. The copy calls nothing but the kernel and code that neither
/// allocates nor locks, as other threads may have held locks when it was made.
pub(crate) unsafe fn clone(flags: c_long) -> Result<c_long, Errno> {
    // s390 has the stack before the flags.
    let [first, second] = match cfg!(target_arch = "s390x") {
        true => [0, flags],
        false => [flags, 0],
    };
    // SAFETY: Without CLONE_VM this is a fork: the copy has its own memory, and this thread's stack
    // in it, as the stack is null. The caller keeps the copy to what it may call.
    check(unsafe { libc::syscall(libc::SYS_clone, first, second, 0, 0, 0) })
}

/// Starts a process in a new user namespace that does nothing, and ends when it reads the end of
/// `wait` or when it is killed. The copy of `close` that it inherits is closed first.
///
/// It announces its end by no signal, so that neither a handler nor a `wait()` elsewhere in the
/// program learns of it: only [`reap`] can.
pub(crate) fn start_in_new_userns(
    wait: BorrowedFd<'_>,
    close: BorrowedFd<'_>,
) -> Result<libc::pid_t, Errno> {
    // A handler of the program must not run in the copy of the program.
    let blocked = Blocked::all()?;
    let (wait, close) = (wait.as_raw_fd(), close.as_raw_fd());
    // SAFETY: Without CLONE_VM this is a fork: the child has its own copy of the memory, and this
    // thread's stack in it. Other threads, which may hold locks, are not in the child, so it must
    // call nothing but the kernel, which `idle` fulfils.
    let pid = unsafe { clone(libc::CLONE_NEWUSER.into()) }?;
    if pid == 0 {
        idle(wait, close);
    }
    drop(blocked);
    Ok(pid as libc::pid_t)
}

/// What the child does.
fn idle(wait: i32, close: i32) -> ! {
    let mut byte = 0u8;
    // SAFETY: Only system calls: no lock is taken, nothing is allocated, and no destructor runs.
    // The buffer has the one byte that may be read. The last call does not return.
    unsafe {
        libc::syscall(libc::SYS_close, close);
        libc::syscall(libc::SYS_read, wait, std::ptr::from_mut(&mut byte), 1);
        loop {
            libc::syscall(libc::SYS_exit_group, 0);
        }
    }
}

/// Kills a process of [`start_in_new_userns`] and waits for its end.
pub(crate) fn reap(pid: libc::pid_t) {
    // SAFETY: Neither call takes a pointer that is not null. As nobody else can wait for this
    // process, its id is not given to another one before this has waited for it.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        while libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL) < 0 {
            if Errno::from_io_error(&io::Error::last_os_error()) != Some(Errno::INTR) {
                break;
            }
        }
    }
}

/// Whether nobody in this user namespace may change the groups that it is in.
fn is_setgroups_denied() -> bool {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let mut word = [0; 4];
    openat(CWD, c"/proc/self/setgroups", flags, Mode::empty())
        .and_then(|file| rustix::io::read(file, &mut word))
        .is_ok_and(|_| word == *b"deny")
}

/// Lets a command begin in a user namespace, as its user and group 0, and with `mounts` in a new
/// mount namespace.
pub(crate) fn start_in(userns: OwnedFd, mounts: bool, command: &mut Command) {
    let enter = move || -> io::Result<()> {
        move_into_link_name_space(userns.as_fd(), Some(LinkNameSpaceType::User))?;
        // Where groups may not be left, which is the rule for a namespace of a plain user with
        // one group, this one keeps those that it is in.
        match set_thread_groups(&[]) {
            Err(Errno::PERM) if is_setgroups_denied() => {}
            answer => answer?,
        }
        let (user, group) = (Uid::ROOT, Gid::ROOT);
        set_thread_res_gid(group, group, group)?;
        set_thread_res_uid(user, user, user)?;
        if mounts {
            // SAFETY: File descriptors stay shared with the process that they are shared with.
            unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
        }
        Ok(())
    };
    // SAFETY: After the fork `enter` makes system calls by rustix, which makes them itself, and
    // turns error numbers into errors, which allocates nothing.
    unsafe { command.pre_exec(enter) };
}

/// The user and the group of an account, by the name that the system's databases have for it.
pub(crate) fn account(name: &CStr) -> Option<(u32, u32)> {
    let mut room = vec![0; 16384];
    let mut found = std::ptr::null_mut();
    // SAFETY: Zero is a value of all fields, the name and the room live until the call returns,
    // and the entry that is found is the one on the stack.
    unsafe {
        let mut entry: libc::passwd = std::mem::zeroed();
        let (place, length) = (room.as_mut_ptr(), room.len());
        libc::getpwnam_r(name.as_ptr(), &mut entry, place, length, &mut found);
        (!found.is_null()).then_some((entry.pw_uid, entry.pw_gid))
    }
}

/// The groups of an account, with `group`.
pub(crate) fn account_groups(name: &CStr, group: u32) -> Vec<u32> {
    // NGROUPS_MAX, and `group`.
    let mut count = 65_537;
    let mut groups = vec![0; 65_537];
    // SAFETY: The name and the groups live until the call returns, and `count` is the number of
    // groups that have room.
    let found =
        unsafe { libc::getgrouplist(name.as_ptr(), group, groups.as_mut_ptr(), &mut count) };
    groups.truncate(usize::try_from(found).unwrap_or(0));
    groups
}

/// The id of a group, likewise.
pub(crate) fn group(name: &CStr) -> Option<u32> {
    let mut room = vec![0; 65536];
    let mut found = std::ptr::null_mut();
    // SAFETY: Zero is a value of all fields, the name and the room live until the call returns,
    // and the entry that is found is the one on the stack.
    unsafe {
        let mut entry: libc::group = std::mem::zeroed();
        let (place, length) = (room.as_mut_ptr(), room.len());
        libc::getgrnam_r(name.as_ptr(), &mut entry, place, length, &mut found);
        (!found.is_null()).then_some(entry.gr_gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of `mount_setattr` and `open_tree_attr` in the kernel's `syscall*.tbl`.
    #[test]
    fn numbers_are_those_of_the_architecture() {
        for (pidfd_open, first, last) in [
            (434, 442, 467),
            // MIPS, with the offsets of o32, n64 and n32.
            (4000 + 434, 4000 + 442, 4000 + 467),
            (5000 + 434, 5000 + 442, 5000 + 467),
            (6000 + 434, 6000 + 442, 6000 + 467),
            // Alpha.
            (544, 552, 577),
        ] {
            assert_eq!(number(442, pidfd_open), first);
            assert_eq!(number(467, pidfd_open), last);
        }
        assert_eq!(MOUNT_SETATTR, libc::SYS_mount_setattr);
    }
}
