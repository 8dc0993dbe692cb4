// SPDX-License-Identifier: GPL-2.0

//! Names in directories: their creation, rename and removal.

use super::{
    calls::{
        find,
        look_up,
        make_directory,
        make_special,
        make_unmapped,
        mounted,
        remove,
        rename, //
    },
    counted,
    fault,
    CREATED,
    FAILING_STEP,
    FAULT,
    NEW_INODE,
    NO_STEP, //
};
use crate::{
    bindings,
    prelude::*,
    str::CString,
    sync::atomic::Relaxed, //
};

#[macros::kunit_tests(rust_fs_names)]
mod cases {
    use super::*;

    #[test]
    fn create_with_unmapped_fsuid_fails() -> Result {
        let (made, left) = counted(|| {
            // SAFETY: `mount` is a mount of the filesystem.
            let (refused, links, made) = mounted(None, |mount| unsafe {
                let refused = make_unmapped(mount, c"a");
                let root = (*(*mount).mnt_root).d_inode;
                let links = (*root).__bindgen_anon_1.i_nlink;
                (refused, links, make_directory(mount, c"a"))
            })?;
            assert_eq!(refused, Err(EOVERFLOW));
            assert_eq!(links, 2);
            assert!(made.is_ok());
            Ok(())
        })?;
        // The options, the superblock, the root inode, the object after it, one directory.
        assert_eq!(made, 5);
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn rename_with_other_flags_fails() -> Result {
        let (_, left) = counted(|| {
            // SAFETY: `mount` is a mount of the filesystem.
            let (wrong, kind, right) = mounted(None, |mount| unsafe {
                let _ = (make_directory(mount, c"a"), make_directory(mount, c"b"));
                let links = || (*(*(*mount).mnt_root).d_inode).__bindgen_anon_1.i_nlink;
                let renamed = |flags| (rename(mount, c"a", c"b", flags), links());
                FAULT.store(fault::OTHER_CALL, Relaxed);
                let flags = [bindings::RENAME_EXCHANGE, 0, bindings::RENAME_WHITEOUT];
                let wrong = flags.map(renamed);
                // A named pipe as whiteout.
                FAULT.store(fault::OTHER_TYPE, Relaxed);
                let kind = renamed(bindings::RENAME_WHITEOUT);
                FAULT.store(fault::NONE, Relaxed);
                // A rename without the whiteout fails. Then both names are exchanged, and one
                // replaces the other.
                let flags = [bindings::RENAME_WHITEOUT, bindings::RENAME_EXCHANGE, 0];
                (wrong, kind, flags.map(renamed))
            })?;
            assert_eq!((wrong, kind), ([(Err(EINVAL), 4); 3], (Err(EINVAL), 4)));
            assert_eq!(right, [(Err(EINVAL), 4), (Ok(()), 4), (Ok(()), 3)]);
            Ok(())
        })?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn error_after_rename_is_ignored() -> Result {
        let (_, left) = counted(|| {
            // SAFETY: `mount` is a mount of the filesystem.
            let (exchanged, replaced, found) = mounted(None, |mount| unsafe {
                let _ = (make_directory(mount, c"a"), make_directory(mount, c"b"));
                FAULT.store(fault::LATE_ERROR, Relaxed);
                let exchanged = rename(mount, c"a", c"b", bindings::RENAME_EXCHANGE);
                let replaced = rename(mount, c"a", c"b", 0);
                FAULT.store(fault::NONE, Relaxed);
                let found = [c"a", c"b"].map(|name| {
                    let found = find((*mount).mnt_root, name);
                    bindings::dput(found);
                    !found.is_null()
                });
                (exchanged, replaced, found)
            })?;
            assert_eq!((exchanged, replaced), (Ok(()), Ok(())));
            assert_eq!(found, [false, true]);
            Ok(())
        })?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn lookup_generates_inode_until_last_use() -> Result {
        for name in [c"generated", c"file-generated"] {
            let (_, left) = counted(|| {
                // SAFETY: `mount` is a mount of the filesystem.
                let (same, positive, created, found) = mounted(None, |mount| unsafe {
                    let before = CREATED.load(Relaxed);
                    let (first, second) = (look_up(mount, name)?, look_up(mount, name)?);
                    let positive = !(*first).d_inode.is_null();
                    let once = CREATED.load(Relaxed) - before;
                    bindings::dput(first);
                    bindings::dput(second);
                    let found = find((*mount).mnt_root, name);
                    bindings::dput(found);
                    bindings::dput(look_up(mount, name)?);
                    let created = (once, CREATED.load(Relaxed) - before);
                    Ok::<_, Error>((first == second, positive, created, found))
                })??;
                assert_eq!((same, positive, created), (true, true, (1, 2)));
                assert!(found.is_null());
                Ok(())
            })?;
            assert_eq!(left, 0);
        }
        Ok(())
    }

    #[test]
    fn failed_lookup_leaves_nothing() -> Result {
        let (_, left) = counted(|| {
            let long = CString::try_from_fmt(fmt!("{:0>256}", 0))?;
            // SAFETY: `mount` is a mount of the filesystem.
            let (failed, too_long, negative) = mounted(None, |mount| unsafe {
                let looked_up = |name: &CStr| {
                    look_up(mount, name).map(|dentry| {
                        let negative = (*dentry).d_inode.is_null();
                        bindings::dput(dentry);
                        negative
                    })
                };
                FAILING_STEP.store(NEW_INODE, Relaxed);
                let failed = looked_up(c"generated");
                FAILING_STEP.store(NO_STEP, Relaxed);
                (failed, looked_up(&long), looked_up(c"other"))
            })?;
            assert_eq!((failed, too_long), (Err(EDOM), Err(ENAMETOOLONG)));
            assert_eq!(negative, Ok(true));
            Ok(())
        })?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn generated_name_cannot_be_removed_or_renamed() -> Result {
        let (_, left) = counted(|| {
            for name in [c"generated", c"file-generated"] {
                // SAFETY: `mount` is a mount of the filesystem.
                let results = mounted(None, |mount| unsafe {
                    let other = match name == c"generated" {
                        true => make_directory(mount, c"a"),
                        false => make_special(mount, c"a", bindings::S_IFIFO, 0),
                    };
                    let dentry = look_up(mount, name)?;
                    let results = [
                        other,
                        remove(mount, name),
                        rename(mount, name, c"a", 0),
                        rename(mount, c"a", name, 0),
                        rename(mount, name, c"a", bindings::RENAME_EXCHANGE),
                        rename(mount, c"a", name, bindings::RENAME_EXCHANGE),
                    ];
                    bindings::dput(dentry);
                    Ok::<_, Error>(results)
                })??;
                let refused = Err(EPERM);
                assert_eq!(
                    results,
                    [Ok(()), refused, refused, refused, refused, refused]
                );
            }
            Ok(())
        })?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn unlink_of_directory_fails() -> Result {
        let (_, left) = counted(|| {
            // SAFETY: `mount` is a mount of the filesystem.
            let removed = mounted(None, |mount| unsafe {
                let _ = make_directory(mount, c"a");
                [fault::OTHER_CALL, fault::NONE].map(|wrong| {
                    FAULT.store(wrong, Relaxed);
                    remove(mount, c"a")
                })
            })?;
            assert_eq!(removed, [Err(EISDIR), Ok(())]);
            Ok(())
        })?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn error_after_removal_is_ignored() -> Result {
        let (_, left) = counted(|| {
            // SAFETY: `mount` is a mount of the filesystem.
            let (removed, again) = mounted(None, |mount| unsafe {
                let names = [c"a", c"b"];
                let _ = make_directory(mount, c"a");
                let _ = make_special(mount, c"b", bindings::S_IFIFO, 0);
                FAULT.store(fault::LATE_ERROR, Relaxed);
                let removed = names.map(|name| remove(mount, name));
                FAULT.store(fault::NONE, Relaxed);
                (removed, names.map(|name| remove(mount, name)))
            })?;
            assert_eq!(removed, [Ok(()); 2]);
            assert_eq!(again, [Err(ENOENT); 2]);
            Ok(())
        })?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn instantiate_with_other_file_type_fails() -> Result {
        let (made, left) = counted(|| {
            // SAFETY: `mount` is a mount of the filesystem.
            let made = mounted(None, |mount| unsafe {
                [fault::OTHER_TYPE, fault::NONE].map(|wrong| {
                    FAULT.store(wrong, Relaxed);
                    [
                        make_directory(mount, c"a"),
                        make_special(mount, c"b", bindings::S_IFIFO, 0),
                        make_special(mount, c"c", bindings::S_IFCHR, 0x100003),
                    ]
                })
            })?;
            assert_eq!(made, [[Err(EINVAL); 3], [Ok(()); 3]]);
            Ok(())
        })?;
        // The options, the superblock, the root inode, the object after it, and six inodes.
        assert_eq!(made, 10);
        assert_eq!(left, 0);
        Ok(())
    }
}
