// SPDX-License-Identifier: GPL-2.0

//! Files and directories that do something of their own.

use super::{
    answer,
    Counted,
    Dir,
    TestFs,
    KIND,
    NOWHERE,
    WHAT,
    WRONG, //
};
use crate::{
    fs::{
        address_space::AddressSpaceOperations,
        dentry::Name,
        dir_context::DirContext,
        file_ops::{
            FileOperations,
            OpenFile,
            ReadBuffer, //
        },
        inode::{
            Inode,
            Locked, //
        },
        mnt_idmapping::MntIdmap,
        mode::Mode,
        new_inode::{
            New,
            NewOwner, //
        },
    },
    iov::IovIterSource,
    page::PAGE_SIZE,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

pub(super) const CONTENTS: &[u8] = b"0123456789";
pub(super) const NAMES: [&CStr; 3] = [c"one", c"two", c"three"];
/// How many pages the file of pages has of which all but the last can be read; then there are some
/// bytes of one more.
pub(super) const PAGES: usize = 3;
pub(super) const SIZE: usize = PAGES * PAGE_SIZE + 100;
/// The one command that there is.
pub(super) const COMMAND: u32 = 0x7201;
pub(super) const COMMAND_ANSWER: isize = 7;

/// Where it was written to last.
pub(super) static WRITTEN_TO: Atomic<i64> = Atomic::new(-1);
/// How much of a page was asked for last.
pub(super) static ASKED_FOR: Atomic<usize> = Atomic::new(0);

/// Makes what has a name: a file with functions of its own, one without any, or one of pages.
pub(super) fn file(owner: &NewOwner<'_, TestFs>, name: &Name, mode: Mode) -> Result<New<TestFs>> {
    let data = Counted::new(NOWHERE + 9);
    match name.as_bytes() {
        b"pages" => New::read_only_file::<Dir, Pages>(owner, name, mode, SIZE as u64, data),
        b"tail" => New::read_only_file::<Dir, Pages>(owner, name, mode, 100, data),
        b"huge" => New::read_only_file::<Dir, Pages>(owner, name, mode, u64::MAX, data),
        b"nothing" => New::file_with::<Dir, Nothing>(owner, name, mode, data),
        _ => New::file_with::<Dir, Own>(owner, name, mode, data),
    }
}

/// Makes a directory that lists what it wants to.
pub(super) fn directory(
    owner: &NewOwner<'_, TestFs>,
    name: &Name,
    mode: Mode,
) -> Result<New<TestFs>> {
    New::directory_with::<Dir, Own>(owner, name, mode, Counted::new(NOWHERE + 9))
}

struct Own;

#[vtable]
impl FileOperations for Own {
    type FileSystem = TestFs;

    fn read(_file: &OpenFile<TestFs>, position: i64, to: &mut ReadBuffer<'_>) -> Result {
        let position = usize::try_from(position).map_err(|_| EINVAL)?;
        if let Some(rest) = CONTENTS.get(position..) {
            to.put(rest);
        }
        if WRONG.load(Relaxed) == WHAT {
            // C would wait for ever.
            return Err(EIOCBQUEUED);
        }
        answer(Ok(()))
    }

    fn write(
        idmap: &MntIdmap,
        _inode: &Locked<'_, TestFs>,
        position: i64,
        from: &mut IovIterSource<'_>,
    ) -> Result {
        let mut bytes = [0; 4];
        // Four at a time, and only where nobody has another name.
        if idmap.is_nop() {
            from.copy_from_iter(&mut bytes);
        }
        WRITTEN_TO.store(position, Relaxed);
        answer(Ok(()))
    }

    fn iterate_shared(_file: &OpenFile<TestFs>, context: &mut DirContext<'_>) -> Result {
        if !context.emit_dots() {
            return Ok(());
        }
        if WRONG.load(Relaxed) == KIND {
            let long = [b'a'; 256];
            for name in [&b""[..], &b"a/b"[..], &b"a\0"[..], &long[..]] {
                if context.emit(name, 1, Mode::S_IFREG) != Err(EINVAL) {
                    return Err(EDOM);
                }
            }
        }
        let done = usize::try_from(context.position() - 2).map_err(|_| EINVAL)?;
        for (name, ino) in NAMES.iter().zip(100..).skip(done) {
            if !context.emit(name.to_bytes(), ino, Mode::S_IFIFO)? {
                break;
            }
            context.set_position(context.position() + 1);
        }
        Ok(())
    }

    fn ioctl(
        idmap: &MntIdmap,
        file: &OpenFile<TestFs>,
        command: u32,
        argument: usize,
    ) -> Result<isize> {
        if command != COMMAND || !core::ptr::eq(idmap, file.idmap()) {
            return Err(ENOTTY);
        }
        if !file.inode().owner_or_capable(idmap) {
            return Err(EPERM);
        }
        let _write = file.want_write()?;
        Ok(COMMAND_ANSWER + argument as isize)
    }
}

struct Nothing;

#[vtable]
impl FileOperations for Nothing {
    type FileSystem = TestFs;
}

struct Pages;

impl AddressSpaceOperations for Pages {
    type FileSystem = TestFs;

    fn read_folio(_inode: &Inode<TestFs>, position: i64, contents: &mut [u8]) -> Result {
        let page = usize::try_from(position).map_err(|_| EINVAL)? / PAGE_SIZE;
        if page >= PAGES {
            return Err(EDOM);
        }
        ASKED_FOR.store(contents.len(), Relaxed);
        // The first half: the rest is zeroes.
        let (first, rest) = contents.split_at_mut(contents.len().min(PAGE_SIZE / 2));
        first.fill(page as u8 + 1);
        if rest.iter().any(|&byte| byte != 0) {
            return Err(EDOM);
        }
        Ok(())
    }
}
