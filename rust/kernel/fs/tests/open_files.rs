// SPDX-License-Identifier: GPL-2.0

//! Operations of open files and directories.

use super::{
    calls::{
        make_directory,
        make_file,
        mounted, //
    },
    counted,
    fault,
    files,
    open::{
        Listed,
        Open, //
    },
    FAULT, //
};
use crate::{
    bindings,
    page::PAGE_SIZE,
    prelude::*,
    sync::atomic::Relaxed, //
};

/// Calls a function with an open file or directory of the name.
fn opened<R>(name: &CStr, f: impl FnOnce(&Open) -> R) -> Result<R> {
    // SAFETY: `mount` is a mount of the filesystem.
    let result = mounted(None, |mount| unsafe {
        if name == c"own" {
            make_directory(mount, name)?;
        } else {
            make_file(mount, name)?;
        }
        Ok(f(&Open::new(mount, name)?))
    });
    result?
}

#[macros::kunit_tests(rust_fs_files)]
mod cases {
    use super::*;

    #[test]
    fn inode_lock_protects_data_of_its_inode_only() -> Result {
        let results = opened(c"file", |file| {
            let writes = [file.write(0, b"a"), file.write(0, b"b")];
            (
                writes.map(|write| write.is_ok()),
                files::WRITES.load(Relaxed),
                files::FOREIGN.load(Relaxed),
            )
        });
        assert_eq!(results?, ([true; 2], 2, 1));
        Ok(())
    }

    #[test]
    fn write_sets_size() -> Result {
        let results = opened(c"file", |file| {
            let before = file.size();
            FAULT.store(fault::SETS_SIZE, Relaxed);
            let write = file.write(3, b"abcdef");
            FAULT.store(fault::NONE, Relaxed);
            (before, write, file.size())
        });
        assert_eq!(results?, (0, Ok((4, 7)), 7));
        Ok(())
    }

    #[test]
    fn file_operations_read_and_write() -> Result {
        let (_, left) = counted(|| {
            let results = opened(c"file", |file| {
                let mut bytes = [0; 8];
                let reads = [0, 6, 10, 11].map(|from| (file.read(from, &mut bytes), bytes));
                let write = file.write(3, b"abcdef");
                (reads, write, files::WRITTEN_TO.load(Relaxed))
            });
            let (reads, write, written_to) = results?;
            // The number of bytes, and the position afterwards.
            assert_eq!(reads[0], (Ok((8, 8)), *b"01234567"));
            assert_eq!(reads[1], (Ok((4, 10)), *b"67894567"));
            assert_eq!((reads[2].0, reads[3].0), (Ok((0, 10)), Ok((0, 11))));
            assert_eq!((write, written_to), (Ok((4, 7)), 3));
            Ok(())
        })?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn error_after_some_bytes_is_ignored() -> Result {
        let results = opened(c"file", |file| {
            let mut bytes = [0; 4];
            FAULT.store(fault::LATE_ERROR, Relaxed);
            let results = (
                file.read(0, &mut bytes),
                file.read(10, &mut bytes),
                file.write(0, b"abcdef"),
            );
            FAULT.store(fault::OTHER_CALL, Relaxed);
            let queued = (file.read(0, &mut bytes), file.read(10, &mut bytes));
            FAULT.store(fault::NONE, Relaxed);
            (results, queued)
        });
        let (results, queued) = results?;
        assert_eq!(results, (Ok((4, 4)), Err(EDOM), Ok((4, 4))));
        assert_eq!(queued, (Ok((4, 4)), Err(EIO)));
        Ok(())
    }

    #[test]
    fn unimplemented_ops_are_null() -> Result {
        let nothing = opened(c"nothing", |file| {
            file.table(|table| {
                (
                    table.read_iter.is_some(),
                    table.write_iter.is_some(),
                    table.splice_read.is_some(),
                    table.splice_write.is_some(),
                    table.unlocked_ioctl.is_some(),
                )
            })
        });
        assert_eq!(nothing?, (false, false, false, false, false));
        for name in [c"nothing", c"memory-plain"] {
            let others = opened(name, |file| {
                file.table(|table| {
                    let mmap = table.mmap_prepare.is_some();
                    (table.open.is_some(), table.release.is_some(), mmap)
                })
            });
            assert_eq!(others?, (false, false, name == c"memory-plain"));
        }
        let refused = opened(c"nothing", |file| {
            (file.read(0, &mut [0]), file.write(0, b"a"))
        });
        assert_eq!(refused?, (Err(EINVAL), Err(EINVAL)));
        let directory = opened(c"own", |file| {
            file.table(|table| {
                (
                    table.read_iter.is_some(),
                    table.iterate_shared.is_some(),
                    table.unlocked_ioctl.is_some(),
                )
            })
        });
        assert_eq!(directory?, (false, true, true));
        Ok(())
    }

    #[test]
    fn release_is_called_once_for_each_open() -> Result {
        for name in [c"file", c"memory", c"checked", c"own"] {
            let count = || (files::OPENED.load(Relaxed), files::RELEASED.load(Relaxed));
            let before = count();
            let during = opened(name, |_| count())?;
            assert_eq!(during, (before.0 + 1, before.1));
            assert_eq!(count(), (before.0 + 1, before.1 + 1));
            // The error of `open()` reaches the caller.
            FAULT.store(fault::NO_OPEN, Relaxed);
            let failed = opened(name, |_| ());
            FAULT.store(fault::NONE, Relaxed);
            assert_eq!(failed, Err(EDOM));
            assert_eq!(count(), (before.0 + 1, before.1 + 1));
        }
        Ok(())
    }

    #[test]
    fn file_that_fails_after_open_is_released() -> Result {
        let count = || (files::OPENED.load(Relaxed), files::RELEASED.load(Relaxed));
        let before = count();
        let (_, left) = counted(|| {
            // SAFETY: `mount` is a mount of the filesystem.
            let failed = mounted(None, |mount| unsafe {
                make_file(mount, c"memory")?;
                let flags = bindings::O_RDONLY | bindings::O_DIRECT;
                Open::with_flags(mount, c"memory", flags).map(|_| ())
            });
            assert_eq!(failed?, Err(EINVAL));
            Ok(())
        })?;
        assert_eq!(count(), (before.0 + 1, before.1 + 1));
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn open_gets_access_mode() -> Result {
        let modes = [bindings::O_RDONLY, bindings::O_WRONLY, bindings::O_RDWR];
        for (mode, access) in modes.into_iter().zip(1..) {
            // SAFETY: `mount` is a mount of the filesystem.
            let opened = mounted(None, |mount| unsafe {
                make_file(mount, c"memory")?;
                Open::with_flags(mount, c"memory", mode).map(|_| ())
            });
            assert_eq!(opened?, Ok(()));
            assert_eq!(files::ACCESS.load(Relaxed), access);
        }
        Ok(())
    }

    #[test]
    fn mmap_is_checked_before_page_cache() -> Result {
        let (shared, write) = (bindings::VM_MAYSHARE, bindings::VM_MAYWRITE);
        for name in [c"memory", c"checked"] {
            let mapped = opened(name, |file| {
                let requests = [0, shared, write, shared | write].map(|flags| file.mmap(flags));
                FAULT.store(fault::NO_MMAP, Relaxed);
                let failed = file.mmap(0);
                FAULT.store(fault::NONE, Relaxed);
                (requests, failed)
            });
            let (requests, failed) = mapped?;
            assert_eq!(requests, [Ok(()), Ok(()), Ok(()), Err(EPERM)]);
            assert_eq!(failed, Err(EDOM));
            let place = [0, 1].map(|index: usize| files::MAPPED[index].load(Relaxed));
            assert_eq!(place, [2 * PAGE_SIZE as u64; 2]);
        }
        // Without `mmap()`, the page cache decides.
        let plain = opened(c"memory-plain", |file| file.mmap(shared | write));
        assert_eq!(plain?, Ok(()));
        let pages = opened(c"pages", |file| {
            let flags = bindings::VM_SHARED | shared | write;
            (file.mmap(0), file.mmap(flags))
        });
        assert_eq!(pages?, (Ok(()), Err(EINVAL)));
        Ok(())
    }

    #[test]
    fn table_of_fixed_size_equals_that_of_c() -> Result {
        let bytes = |table: *const bindings::file_operations| {
            let words = size_of::<bindings::file_operations>() / size_of::<usize>();
            // SAFETY: A table has pointers and integers of the size of a word only. It is constant.
            unsafe { core::slice::from_raw_parts(table.cast::<usize>(), words) }
        };
        let equal = opened(c"pages", |file| {
            file.table(|table| bytes(table) == bytes(&raw const bindings::generic_ro_fops))
        });
        assert!(equal?);
        Ok(())
    }

    #[test]
    fn ioctl_gets_idmap_of_mount() -> Result {
        let results = opened(c"file", |file| {
            [(files::COMMAND, 3), (files::COMMAND + 1, 0)]
                .map(|(command, argument)| file.ioctl(command, argument))
        });
        assert_eq!(
            results?,
            [files::COMMAND_RESULT + 3, ENOTTY.to_errno() as isize]
        );
        Ok(())
    }

    #[test]
    fn want_write_on_read_only_mount_fails() -> Result {
        let results = opened(c"own", |directory| {
            let call = || directory.ioctl(files::COMMAND, 0);
            (call(), directory.read_only(call), call())
        });
        let (good, refused) = (files::COMMAND_RESULT, EROFS.to_errno() as isize);
        assert_eq!(results?, (good, refused, good));
        Ok(())
    }

    #[test]
    fn truncate_keeps_fixed_size() -> Result {
        let of_own = opened(c"file", |file| (file.truncate(5), file.size()));
        assert_eq!(of_own?, (Ok(()), 0));
        let of_pages = opened(c"pages", |file| (file.truncate(5), file.size()));
        assert_eq!(of_pages?, (Err(EPERM), files::SIZE as i64));
        Ok(())
    }

    #[test]
    fn read_folio_gets_bytes_before_end_only() -> Result {
        let (read, folio_length) = opened(c"tail", |file| {
            let mut bytes = [9; 20];
            let read = (file.read(90, &mut bytes), bytes);
            (read, files::FOLIO_LENGTH.load(Relaxed))
        })?;
        let mut expected = [9; 20];
        expected[..10].fill(1);
        assert_eq!(read, (Ok((10, 100)), expected));
        assert_eq!(folio_length, 100);
        Ok(())
    }

    #[test]
    fn read_folio_fills_pages() -> Result {
        let (_, left) = counted(|| {
            let results = opened(c"pages", |file| {
                let (half, page) = (PAGE_SIZE as i64 / 2, PAGE_SIZE as i64);
                let mut bytes = [9; 4];
                let mut at = |from| (file.read(from, &mut bytes), bytes);
                (
                    [at(0), at(half - 2), at(page - 2), at(2 * page)],
                    // The page cannot be read: after some bytes, and at once.
                    at(3 * page - 2),
                    at(3 * page).0,
                    at(files::SIZE as i64).0,
                    file.write(0, b"a"),
                )
            });
            let (good, part, bad, end, write) = results?;
            let page = PAGE_SIZE as i64;
            assert_eq!(good[0], (Ok((4, 4)), [1; 4]));
            assert_eq!(good[1], (Ok((4, page / 2 + 2)), [1, 1, 0, 0]));
            assert_eq!(good[2], (Ok((4, page + 2)), [0, 0, 2, 2]));
            assert_eq!(good[3], (Ok((4, 2 * page + 4)), [3; 4]));
            assert_eq!(part, (Ok((2, 3 * page)), [0, 0, 3, 3]));
            assert_eq!(bad, Err(EDOM));
            assert_eq!(end, Ok((0, files::SIZE as i64)));
            assert_eq!(write, Err(EINVAL));
            Ok(())
        })?;
        assert_eq!(left, 0);
        let huge = opened(c"huge", |_| ());
        assert_eq!(huge, Err(EFBIG));
        Ok(())
    }

    #[test]
    fn iterate_shared_lists_entries() -> Result {
        let (_, left) = counted(|| {
            let lists = opened(c"own", |directory| {
                let lists = [2, 1, 9, 9].map(|most| directory.names(most));
                FAULT.store(fault::OTHER_TYPE, Relaxed);
                let wrong = directory.names(9);
                FAULT.store(fault::NONE, Relaxed);
                (lists, wrong)
            });
            let ([dots, one, rest, end], wrong) = lists?;
            let (dots, one, rest) = (dots?, one?, rest?);
            let all = || {
                [&dots, &one, &rest]
                    .into_iter()
                    .flat_map(|some| some.iter())
            };
            assert_eq!((dots.len(), one.len(), rest.len()), (2, 1, 2));
            let names = [&b"."[..], b"..", b"one", b"two", b"three"];
            assert!(all().map(Listed::name).eq(names));
            assert!(all().skip(2).map(|entry| entry.ino).eq(100..103));
            let kinds = [bindings::DT_DIR, bindings::DT_FIFO];
            let kinds = [0, 0, 1, 1, 1].map(|kind: usize| kinds.get(kind).copied());
            assert!(all().map(|entry| Some(entry.kind)).eq(kinds));
            // There is no further entry, and invalid names are not emitted.
            assert_eq!((end?.len(), wrong?.len()), (0, 0));
            Ok(())
        })?;
        assert_eq!(left, 0);
        Ok(())
    }
}
