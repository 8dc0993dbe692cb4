// SPDX-License-Identifier: GPL-2.0

//! Files and directories with file operations.

use super::{
    fault,
    with_late_error,
    Dir,
    Node,
    TestFs,
    FAULT,
    NEW_INODE, //
};
use crate::{
    fs::{
        address_space::AddressSpaceOperations,
        dentry::Name,
        dir_context::DirContext,
        file_ops::{
            FileOperations,
            MmapRequest,
            OpenFile,
            ReadBuffer, //
        },
        inode::{
            Inode,
            InodeLocked,
            Locked,
            SharedLocked, //
        },
        memfs::MemFileSystem,
        mnt_idmapping::MntIdmap,
        mode::Mode,
        new_inode::{
            New,
            NewOwner, //
        },
        super_block::SuperBlock, //
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
/// The number of pages that can be read. The file has 100 bytes more, which cannot be read.
pub(super) const PAGES: usize = 3;
pub(super) const SIZE: usize = PAGES * PAGE_SIZE + 100;
/// The command of the ioctl.
pub(super) const COMMAND: u32 = 0x7201;
pub(super) const COMMAND_RESULT: isize = 7;

/// The number of writes to the file.
pub(super) static WRITES: Atomic<u32> = Atomic::new(0);
/// Whether `InodeLocked` refused a value that is not a part of the inode.
pub(super) static FOREIGN: Atomic<i32> = Atomic::new(0);
/// The position of the last write.
pub(super) static WRITTEN_TO: Atomic<i64> = Atomic::new(-1);
/// The length of `contents` in the last call of `read_folio()`.
pub(super) static FOLIO_LENGTH: Atomic<usize> = Atomic::new(0);

/// The number of files that `open()` opened, and of those that `release()` released.
pub(super) static OPENED: Atomic<i32> = Atomic::new(0);
pub(super) static RELEASED: Atomic<i32> = Atomic::new(0);
/// Whether the last file was opened for reading (1) and for writing (2).
pub(super) static ACCESS: Atomic<i32> = Atomic::new(0);
/// The first byte of the last mapping, and the number of bytes.
pub(super) static MAPPED: [Atomic<u64>; 2] = [Atomic::new(0), Atomic::new(0)];

/// Creates a regular file. Its name selects its operations.
pub(super) fn file(owner: &NewOwner<'_, TestFs>, name: &Name, mode: Mode) -> Result<New<TestFs>> {
    let data = Node::new(NEW_INODE);
    match name.as_bytes() {
        b"pages" => New::read_only_file::<Dir, Pages>(owner, name, mode, SIZE as u64, data),
        b"tail" => New::read_only_file::<Dir, Pages>(owner, name, mode, 100, data),
        b"huge" => New::read_only_file::<Dir, Pages>(owner, name, mode, u64::MAX, data),
        b"memory" => New::memory_file_with::<Dir, Checked>(owner, Some(name), mode, data),
        b"memory-plain" => New::file::<Dir>(owner, Some(name), mode, data),
        b"checked" => {
            New::read_only_file_with::<Dir, Pages, Checked>(owner, name, mode, SIZE as u64, data)
        }
        b"nothing" => New::file_with::<Dir, Nothing>(owner, name, mode, data),
        _ => New::file_with::<Dir, OwnFile>(owner, name, mode, data),
    }
}

/// Creates a directory with file operations.
pub(super) fn directory(
    owner: &NewOwner<'_, TestFs>,
    name: &Name,
    mode: Mode,
) -> Result<New<TestFs>> {
    New::directory_with::<Dir, OwnDirectory>(owner, name, mode, Node::new(NEW_INODE))
}

impl MemFileSystem for TestFs {
    fn charge(_super_block: &SuperBlock<Self>) -> Result {
        Ok(())
    }

    fn uncharge(_super_block: &SuperBlock<Self>) {}

    fn limit(_super_block: &SuperBlock<Self>) -> Option<u64> {
        None
    }
}

/// The operations of files whose contents are in the page cache.
struct Checked;

#[vtable]
impl FileOperations for Checked {
    type FileSystem = TestFs;

    fn open(idmap: &MntIdmap, file: &OpenFile<TestFs>) -> Result {
        opened(idmap, file)
    }

    fn release(file: &OpenFile<TestFs>) {
        released(file);
    }

    fn mmap(idmap: &MntIdmap, file: &OpenFile<TestFs>, request: &MmapRequest<'_>) -> Result {
        if FAULT.load(Relaxed) == fault::NO_MMAP || !core::ptr::eq(idmap, file.idmap()) {
            return Err(EDOM);
        }
        if request.is_shared() && request.can_write() {
            return Err(EPERM);
        }
        MAPPED[0].store(request.position(), Relaxed);
        MAPPED[1].store(request.len() as u64, Relaxed);
        Ok(())
    }
}

/// Counts an opened file, or fails.
fn opened(idmap: &MntIdmap, file: &OpenFile<TestFs>) -> Result {
    if FAULT.load(Relaxed) == fault::NO_OPEN || !core::ptr::eq(idmap, file.idmap()) {
        return Err(EDOM);
    }
    OPENED.fetch_add(1, Relaxed);
    let (read, write) = (file.can_read(), file.can_write());
    ACCESS.store(i32::from(read) | i32::from(write) << 1, Relaxed);
    Ok(())
}

/// Counts a released file, which still has its inode.
fn released(file: &OpenFile<TestFs>) {
    if file.inode().ino() != 0 {
        RELEASED.fetch_add(1, Relaxed);
    }
}

/// Performs a command of the owner.
fn commanded(
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
    Ok(COMMAND_RESULT + argument as isize)
}

struct OwnFile;

#[vtable]
impl FileOperations for OwnFile {
    type FileSystem = TestFs;

    fn open(idmap: &MntIdmap, file: &OpenFile<TestFs>) -> Result {
        opened(idmap, file)
    }

    fn release(file: &OpenFile<TestFs>) {
        released(file);
    }

    fn read(_file: &OpenFile<TestFs>, position: i64, to: &mut ReadBuffer<'_>) -> Result {
        let position = usize::try_from(position).map_err(|_| EINVAL)?;
        if let Some(rest) = CONTENTS.get(position..) {
            to.put(rest);
        }
        if FAULT.load(Relaxed) == fault::OTHER_CALL {
            // Without a replacement, the VFS would wait for a completion.
            return Err(EIOCBQUEUED);
        }
        with_late_error(Ok(()))
    }

    fn write(
        idmap: &MntIdmap,
        inode: &mut Locked<'_, TestFs>,
        position: i64,
        from: &mut IovIterSource<'_>,
    ) -> Result {
        let mut bytes = [0; 4];
        // At most four bytes, and only through a mount that is not idmapped.
        if idmap.is_nop() {
            from.copy_from_iter(&mut bytes);
        }
        WRITTEN_TO.store(position, Relaxed);
        let node = inode.inode().data();
        *node.writes.get_mut(inode)? += 1;
        WRITES.store(*node.writes.get(inode)?, Relaxed);
        // A value that is not a part of the inode.
        let other = InodeLocked::new(0u32);
        FOREIGN.store(other.get_mut(inode).is_err().into(), Relaxed);
        let size = position.saturating_add(bytes.len() as i64);
        if FAULT.load(Relaxed) == fault::SETS_SIZE {
            inode.set_size(size)?;
        }
        with_late_error(Ok(()))
    }

    fn ioctl(
        idmap: &MntIdmap,
        file: &OpenFile<TestFs>,
        command: u32,
        argument: usize,
    ) -> Result<isize> {
        commanded(idmap, file, command, argument)
    }
}

struct OwnDirectory;

#[vtable]
impl FileOperations for OwnDirectory {
    type FileSystem = TestFs;

    fn open(idmap: &MntIdmap, file: &OpenFile<TestFs>) -> Result {
        opened(idmap, file)
    }

    fn release(file: &OpenFile<TestFs>) {
        released(file);
    }

    fn iterate_shared(
        dir: &SharedLocked<'_, TestFs>,
        file: &OpenFile<TestFs>,
        context: &mut DirContext<'_>,
    ) -> Result {
        if dir.ino() != file.inode().ino() || *dir.data().writes.get_shared(dir)? != 0 {
            return Err(EDOM);
        }
        if !context.emit_dots() {
            return Ok(());
        }
        if FAULT.load(Relaxed) == fault::OTHER_TYPE {
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
        commanded(idmap, file, command, argument)
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
        FOLIO_LENGTH.store(contents.len(), Relaxed);
        // Fill the first half. The rest must be zeroes.
        let (first, rest) = contents.split_at_mut(contents.len().min(PAGE_SIZE / 2));
        first.fill(page as u8 + 1);
        if rest.iter().any(|&byte| byte != 0) {
            return Err(EDOM);
        }
        Ok(())
    }
}
