// SPDX-License-Identifier: GPL-2.0

//! `name_to_handle_at()` and `open_by_handle_at()`.

use std::{os::fd::OwnedFd, path::Path};

use kselftest::credentials::as_user;
use kselftest::errno::SyscallResult;
use kselftest::handle::Handle;
use kselftest::handle::{self, name_to_handle};
use kselftest::syscalls;
use rustix::{fs::FileType, io::Errno};

use super::OTHER;
use crate::test::{Case, Named, Stop, Test};

pub(super) const TESTS: &[Named] = &[
    ("handle.files", files),
    ("handle.survives", survives),
    ("handle.stale", stale),
    ("handle.refused", refused),
];

fn handle_of(t: &Test, path: &Path) -> Result<Handle, Stop> {
    let (handle, answer) = name_to_handle(path, 128, 0);
    t.done("name_to_handle_at", answer)?;
    Ok(handle)
}

/// Opens a handle. In a user namespace only directories can be opened by handle, with O_DIRECTORY.
fn open_again(t: &Test, handle: &Handle, directory: bool) -> SyscallResult<OwnedFd> {
    let mount = syscalls::open_ro(t.dir())?;
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | if directory { libc::O_DIRECTORY } else { 0 };
    handle::open(&mount, handle, flags)
}

fn files(t: &Test) -> Case {
    t.done("write", syscalls::write_file(t.at("file"), b"text"))?;
    t.done("mkdir", syscalls::mkdir(t.at("dir"), 0o755))?;
    t.done("write", syscalls::write_file(t.at("dir/sub"), b"sub"))?;
    t.done(
        "mkfifo",
        syscalls::mknod(t.at("pipe"), FileType::Fifo, 0o644, 0),
    )?;
    for (name, directory) in [
        ("file", false),
        ("dir", true),
        ("dir/sub", false),
        ("pipe", false),
    ] {
        let path = t.at(name);
        let handle = handle_of(t, &path)?;
        t.same("the same handle", handle_of(t, &path)?, handle.clone());
        let fd = open_again(t, &handle, directory);
        if !directory && t.mount.manner.in_userns() {
            t.refused("a file in a user namespace", fd, Errno::PERM);
            continue;
        }
        let fd = t.done("open_by_handle_at", fd)?;
        let ino = rustix::fs::fstat(&fd).map(|stat| stat.st_ino);
        t.same("the same inode", ino, syscalls::ino(&path));
    }
    let root = t.mount.root().to_owned();
    let handle = handle_of(t, &root)?;
    let fd = t.done("the root", open_again(t, &handle, true))?;
    let ino = rustix::fs::fstat(&fd).map(|stat| stat.st_ino);
    t.same("is the root", ino, syscalls::ino(&root));
    if t.mount.manner.in_userns() {
        return Ok(());
    }
    let path = t.at("file");
    let handle = handle_of(t, &path)?;
    let mount = t.done("open", syscalls::open_ro(t.dir()))?;
    let fd = handle::open(&mount, &handle, libc::O_RDWR);
    let fd = t.done("to write", fd)?;
    t.same(
        "its contents",
        syscalls::pread(&fd, 9, 0),
        Ok(b"text".to_vec()),
    );
    t.done("write", syscalls::write_all(&fd, b"new!"))?;
    t.same("by path", syscalls::read_file(&path), Ok(b"new!".to_vec()));
    Ok(())
}

fn survives(t: &Test) -> Case {
    t.done("mkdir", syscalls::mkdir(t.at("dir"), 0o755))?;
    t.done("mkdir", syscalls::mkdir(t.at("moves"), 0o755))?;
    t.done("write", syscalls::write_file(t.at("moves/file"), b"text"))?;
    let handle = handle_of(t, &t.at("moves"))?;
    t.done("rename", syscalls::rename(t.at("moves"), t.at("dir/moved")))?;
    let fd = t.done("after rename", open_again(t, &handle, true))?;
    let text = syscalls::read_file(format!("{}/file", syscalls::through(&fd)));
    t.same("what is in it", text, Ok(b"text".to_vec()));
    if t.mount.manner.in_userns() {
        return Ok(());
    }
    let file = t.at("dir/moved/file");
    let handle = handle_of(t, &file)?;
    t.done("link", syscalls::link(&file, t.at("second")))?;
    t.done("unlink", syscalls::unlink(&file))?;
    let fd = t.done("by its other name", open_again(t, &handle, false))?;
    t.same("contents", syscalls::pread(&fd, 9, 0), Ok(b"text".to_vec()));
    // A name that is still open but gone is not the one that is found.
    let (stays, goes) = (t.at("second"), t.at("third"));
    t.done("link", syscalls::link(&stays, &goes))?;
    let open = t.done("open", syscalls::open_ro(&goes))?;
    t.done("unlink", syscalls::unlink(&goes))?;
    let fd = t.done("by the name that is left", open_again(t, &handle, false))?;
    let name = std::fs::read_link(syscalls::through(&fd)).ok();
    t.same("its name", name, Some(stays));
    drop(open);
    Ok(())
}

fn stale(t: &Test) -> Case {
    let (file, dir) = (t.at("file"), t.at("dir"));
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("mkdir", syscalls::mkdir(&dir, 0o755))?;
    let (of_file, of_dir) = (handle_of(t, &file)?, handle_of(t, &dir)?);
    t.done("unlink", syscalls::unlink(&file))?;
    t.done("rmdir", syscalls::rmdir(&dir))?;
    // With O_DIRECTORY, which is allowed in user namespaces as well.
    for handle in [of_file, of_dir] {
        let answer = open_again(t, &handle, true);
        t.refused("what was removed", answer, Errno::STALE);
    }
    // A new directory with the old name has another handle.
    t.done("mkdir anew", syscalls::mkdir(&dir, 0o755))?;
    let mut handle = handle_of(t, &dir)?;
    t.done("open", open_again(t, &handle, true))?;
    for byte in &mut handle.data[..handle.bytes as usize] {
        *byte ^= 0x5a;
    }
    let answer = open_again(t, &handle, true);
    t.refused("what never was", answer, Errno::STALE);
    Ok(())
}

fn refused(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    let (handle, answer) = name_to_handle(&file, 0, 0);
    t.refused("no room", answer, Errno::OVERFLOW);
    t.holds("the room that is needed", (4..=128).contains(&handle.bytes));
    let (exact, answer) = name_to_handle(&file, handle.bytes, 0);
    t.done("just enough", answer)?;
    t.same("as long as said", exact.bytes, handle.bytes);
    let (_, answer) = name_to_handle(&file, 129, 0);
    t.refused("too much room", answer, Errno::INVAL);
    let (_, answer) = name_to_handle(t.at("no"), 128, 0);
    t.refused("nothing", answer, Errno::NOENT);
    let (_, answer) = name_to_handle(&file, 128, 1 << 20);
    t.refused("an unknown flag", answer, Errno::INVAL);
    let mount = t.done("open", syscalls::open_ro(t.dir()))?;
    let open = |handle: &Handle| handle::open(&mount, handle, libc::O_RDONLY);
    let answer = as_user(OTHER, || open(&exact));
    t.refused("by a user", answer, Errno::PERM);
    let mut odd = exact.clone();
    odd.bytes = 0;
    t.refused("an empty handle", open(&odd), Errno::INVAL);
    odd.bytes = 129;
    t.refused("a long handle", open(&odd), Errno::INVAL);
    let answer = open_again(t, &exact, true);
    // Where only directories can be opened, the handle of a file is stale.
    let errno = match t.mount.manner.in_userns() {
        true => Errno::STALE,
        false => Errno::NOTDIR,
    };
    t.refused("a file as a directory", answer, errno);
    Ok(())
}
