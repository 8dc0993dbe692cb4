// SPDX-License-Identifier: GPL-2.0

//! Executes an [`Op`] with the credentials of this process.

use std::{
    os::{
        fd::AsRawFd,
        unix::{net::UnixDatagram, process::ExitStatusExt},
    },
    process::{Command, Stdio},
};

use kselftest::{errno, raw};
use rustix::{
    fs::{
        AtFlags, CWD, Dir, FileType, Gid, IFlags, Mode, OFlags, Statx, StatxFlags, Timespec,
        Timestamps, UTIME_NOW, UTIME_OMIT, Uid, XattrFlags, accessat, chmodat, chownat, getxattr,
        ioctl_getflags, ioctl_setflags, linkat, listxattr, makedev, mkdirat, mknodat, openat,
        readlinkat, removexattr, renameat_with, setxattr, statx, symlinkat, unlinkat, utimensat,
    },
    io::Errno,
};

use crate::{
    op::{Node, Op, Times},
    program, xattr,
};

/// The result: a text to compare, or the error number.
pub(crate) type SyscallResult = Result<String, Errno>;

/// Where mounts are, by their numbers.
pub(crate) const ROOT: &str = "/mnt/differential";

/// The path of a mount of the stage.
pub(crate) fn mount_path(number: usize) -> String {
    format!("{ROOT}/m{number}")
}

fn nothing(done: Result<(), Errno>) -> SyscallResult {
    done.map(|()| String::new())
}

fn ids_and_mode(seen: &Statx) -> String {
    format!("{}:{} {:06o}", seen.stx_uid, seen.stx_gid, seen.stx_mode)
}

/// Flags of each open(). With O_NONBLOCK the open of a FIFO does not block.
const ALWAYS: OFlags = OFlags::NONBLOCK
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY);

/// Does it, below the roots of two mounts.
pub(crate) fn call(op: &Op, mount: usize, to_mount: usize) -> SyscallResult {
    let at = |path: &str| format!("{}/{path}", mount_path(mount));
    let there = |path: &str| format!("{}/{path}", mount_path(to_mount));
    let mode = Mode::from_raw_mode;
    match op {
        Op::Open(path, flags, bits) => {
            let file = openat(CWD, at(path), *flags | ALWAYS, mode(*bits))?;
            let seen = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
            Ok(ids_and_mode(&seen))
        }
        Op::Tmpfile(directory, flags, bits, to) => {
            let flags = *flags | OFlags::TMPFILE | ALWAYS;
            let file = openat(CWD, at(directory), flags, mode(*bits))?;
            let seen = statx(&file, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
            let mut seen = ids_and_mode(&seen);
            if let Some(to) = to {
                let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                let linked = linkat(CWD, path, CWD, there(to), AtFlags::SYMLINK_FOLLOW);
                seen.push_str(" linked: ");
                seen.push_str(&result_name(&nothing(linked)));
            }
            Ok(seen)
        }
        Op::Mkdir(path, bits) => nothing(mkdirat(CWD, at(path), mode(*bits))),
        Op::Mknod(path, node, bits) => {
            let (kind, device) = match node {
                Node::Fifo => (FileType::Fifo, 0),
                Node::Socket => (FileType::Socket, 0),
                Node::Null => (FileType::CharacterDevice, makedev(1, 3)),
                Node::Whiteout => (FileType::CharacterDevice, 0),
                Node::File => (FileType::RegularFile, 0),
            };
            nothing(mknodat(CWD, at(path), kind, mode(*bits), device))
        }
        Op::Bind(path) => nothing(
            UnixDatagram::bind(at(path))
                .map(drop)
                .map_err(errno::from_io),
        ),
        Op::Symlink(target, path) => nothing(symlinkat(*target, CWD, at(path))),
        Op::Link(from, to, follow) => {
            let flags = if *follow {
                AtFlags::SYMLINK_FOLLOW
            } else {
                AtFlags::empty()
            };
            nothing(linkat(CWD, at(from), CWD, there(to), flags))
        }
        Op::Rename(from, to, flags) => {
            nothing(renameat_with(CWD, at(from), CWD, there(to), *flags))
        }
        Op::Unlink(path) => nothing(unlinkat(CWD, at(path), AtFlags::empty())),
        Op::Rmdir(path) => nothing(unlinkat(CWD, at(path), AtFlags::REMOVEDIR)),
        Op::Chown(path, user, group, follow) => {
            let flags = if *follow {
                AtFlags::empty()
            } else {
                AtFlags::SYMLINK_NOFOLLOW
            };
            let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
            nothing(chownat(CWD, at(path), user, group, flags))
        }
        Op::Chmod(path, bits) => nothing(chmodat(CWD, at(path), mode(*bits), AtFlags::empty())),
        Op::Flags(path, immutable, append) => {
            let file = openat(CWD, at(path), OFlags::RDONLY | ALWAYS, Mode::empty())?;
            let mut flags = ioctl_getflags(&file)?;
            flags.set(IFlags::IMMUTABLE, *immutable);
            flags.set(IFlags::APPEND, *append);
            flags.toggle(IFlags::NODUMP);
            nothing(ioctl_setflags(&file, flags))
        }
        Op::Setxattr(path, name, value) => {
            nothing(setxattr(at(path), *name, value, XattrFlags::empty()))
        }
        Op::Removexattr(path, name) => nothing(removexattr(at(path), *name)),
        Op::Getxattr(path, name) => {
            let mut room = [0; 512];
            let length = getxattr(at(path), *name, &mut room)?;
            Ok(xattr::show_attribute(name, &room[..length]))
        }
        Op::Listxattr(path) => {
            let mut room = [0u8; 1024];
            let length = listxattr(at(path), &mut room)?;
            Ok(attribute_names(&room[..length]).join(","))
        }
        Op::Stat(path, follow) => {
            let flags = if *follow {
                AtFlags::empty()
            } else {
                AtFlags::SYMLINK_NOFOLLOW
            };
            Ok(ids_and_mode(&statx(
                CWD,
                at(path),
                flags,
                StatxFlags::BASIC_STATS,
            )?))
        }
        Op::Access(path, access, effective) => {
            let flags = if *effective {
                AtFlags::EACCESS
            } else {
                AtFlags::empty()
            };
            nothing(accessat(CWD, at(path), *access, flags))
        }
        Op::Truncate(path, size) => {
            nothing(kselftest::syscalls::truncate(at(path), i64::from(*size)))
        }
        Op::Write(path, append) => {
            let how = if *append {
                OFlags::APPEND
            } else {
                OFlags::empty()
            };
            let flags = OFlags::WRONLY | how | ALWAYS;
            let file = openat(CWD, at(path), flags, Mode::empty())?;
            rustix::io::write(file, b"+").map(|count| count.to_string())
        }
        Op::Utimes(path, times) => {
            let time = |tv_nsec| Timespec { tv_sec: 7, tv_nsec };
            let (access, modification) = match times {
                Times::Now => (UTIME_NOW, UTIME_NOW),
                Times::OneNow => (UTIME_OMIT, UTIME_NOW),
                Times::Some => (5, 6),
                Times::Omitted => (UTIME_OMIT, UTIME_OMIT),
            };
            let times = Timestamps {
                last_access: time(access),
                last_modification: time(modification),
            };
            nothing(utimensat(CWD, at(path), &times, AtFlags::empty()))
        }
        Op::Exec(path) => exec(&at(path)),
        Op::Connect(path) => {
            let connected = UnixDatagram::unbound().and_then(|socket| socket.connect(at(path)));
            nothing(connected.map_err(errno::from_io))
        }
        Op::Lease(path) => {
            let file = openat(CWD, at(path), OFlags::RDONLY | ALWAYS, Mode::empty())?;
            nothing(raw::set_lease(file, libc::F_RDLCK))
        }
        Op::Readdir(path) => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | ALWAYS;
            let directory = openat(CWD, at(path), flags, Mode::empty())?;
            let mut names = Vec::new();
            for entry in Dir::new(directory)? {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            names.sort_unstable();
            Ok(names.join(" "))
        }
        Op::Readlink(path) => {
            let target = readlinkat(CWD, at(path), Vec::new())?;
            Ok(target.to_string_lossy().into_owned())
        }
    }
}

/// Executes a program, in most cases the one that prints its credentials.
fn exec(path: &str) -> SyscallResult {
    let mut command = Command::new(path);
    command
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let output = command.output().map_err(errno::from_io)?;
    Ok(match (output.status.code(), output.status.signal()) {
        (Some(0), _) => program::read(&output.stdout).unwrap_or_default(),
        (Some(code), _) => format!("exit status {code}"),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    })
}

/// Returns the names in a list of listxattr(), sorted.
pub(crate) fn attribute_names(list: &[u8]) -> Vec<String> {
    let names = list
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty());
    let mut names: Vec<String> = names
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    names.sort_unstable();
    names
}

/// Formats a result: `ok` or the name of the error.
pub(crate) fn result_name(answer: &SyscallResult) -> String {
    match answer {
        Ok(_) => "ok".to_owned(),
        Err(errno) => errno::name(*errno),
    }
}
