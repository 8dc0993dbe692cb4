// SPDX-License-Identifier: GPL-2.0

//! Mounts, their options, and the data that they drop.

use super::{
    calls::{
        find,
        make_directory,
        mounted,
        registered,
        remove, //
    },
    counted,
    fault,
    TestFs,
    FAILING_STEP,
    FAULT,
    NO_STEP,
    PARAMETER,
    STEPS, //
};
use crate::{
    bindings,
    fs::{
        registration::Registration,
        super_block::SuperBlock, //
    },
    prelude::*,
    sync::atomic::Relaxed, //
};

#[macros::kunit_tests(rust_fs_mount)]
mod cases {
    use super::*;

    #[test]
    fn unmount_drops_all_data() -> Result {
        let (made, left) = counted(|| {
            // SAFETY: `mount` is a mount of the filesystem.
            let (mode, made, again, other, links) = mounted(Some(c"mode=1751"), |mount| unsafe {
                let root = (*(*mount).mnt_root).d_inode;
                let mode = u32::from((*root).i_mode);
                let made = make_directory(mount, c"a");
                let again = make_directory(mount, c"a");
                let other = make_directory(mount, c"b");
                (mode, made, again, other, (*root).__bindgen_anon_1.i_nlink)
            })?;
            assert_eq!(mode, 0o41751);
            assert!(made.is_ok());
            assert_eq!(again, Err(EEXIST));
            assert!(other.is_ok());
            assert_eq!(links, 4);
            Ok(())
        })?;
        // The options, the superblock, the root inode, the object after it, two directories.
        assert_eq!(made, 6);
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn failed_mount_drops_all_data() -> Result {
        for step in STEPS {
            FAILING_STEP.store(step, Relaxed);
            let options = (step == PARAMETER).then_some(c"fails");
            let result = counted(|| {
                let result = mounted(options, |_| ());
                FAILING_STEP.store(NO_STEP, Relaxed);
                assert_eq!(result, Err(EDOM));
                Ok(())
            });
            assert_eq!(result?.1, 0);
        }
        Ok(())
    }

    #[test]
    fn superblock_without_acls_has_no_posixacl_flag() -> Result {
        // SAFETY: `mount` is a mount of the filesystem.
        let flags = mounted(None, |mount| unsafe { (*(*mount).mnt_sb).s_flags })?;
        assert_eq!(flags & bindings::SB_POSIXACL, 0);
        Ok(())
    }

    #[test]
    fn invalid_options_fail() -> Result {
        for options in [c"mode=8", c"mode=10000", c"mode", c"fails=1", c"unknown"] {
            let (_, left) = counted(|| {
                let options = Some(options);
                let result = mounted(options, |_| ());
                assert_eq!(result, Err(EINVAL));
                Ok(())
            })?;
            assert_eq!(left, 0);
        }
        Ok(())
    }

    #[test]
    fn options_are_parsed() -> Result {
        let good = [
            (c"number=0x11", 17),
            (c"number=18446744073709551615", u64::MAX),
            (c"size=3", 3),
            (c"size=3k", 3 << 10),
            (c"size=2T", 2 << 40),
            (c"bool=yes", 1),
            (c"bool=0", 0),
            (c"choice=one", 1),
        ];
        for (options, value) in good {
            // SAFETY: `mount` is a mount of the filesystem.
            let parsed = mounted(Some(options), |mount| unsafe {
                SuperBlock::<TestFs>::from_raw((*mount).mnt_sb).data().value
            })?;
            assert_eq!(parsed, value);
        }
        let bad = [
            c"number=-1",
            c"number=1k",
            c"size=k",
            c"size=1x",
            c"size=16777216t",
            c"bool=2",
            c"choice=two",
            c"choice",
        ];
        for options in bad {
            assert_eq!(mounted(Some(options), |_| ()), Err(EINVAL));
        }
        Ok(())
    }

    #[test]
    fn root_is_populated_before_mount() -> Result {
        let (made, left) = counted(|| {
            FAULT.store(fault::POPULATES, Relaxed);
            // SAFETY: `mount` is a mount of the filesystem.
            let found = mounted(None, |mount| unsafe {
                let found = find((*mount).mnt_root, c"populated");
                bindings::dput(found);
                (!found.is_null(), remove(mount, c"populated"))
            });
            FAULT.store(fault::NONE, Relaxed);
            assert_eq!(found?, (true, Ok(())));
            Ok(())
        })?;
        // The options, the superblock, the root inode, the object after it, one directory.
        assert_eq!(made, 5);
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn second_registration_fails() -> Result {
        registered(|_| {
            // SAFETY: The registration fails, so the memory is not used afterwards.
            let second = KBox::pin_init(unsafe { Registration::<TestFs>::new() }, GFP_KERNEL);
            assert_eq!(second.err(), Some(EBUSY));
            Ok(())
        })
    }
}
