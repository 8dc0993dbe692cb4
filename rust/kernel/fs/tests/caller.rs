// SPDX-License-Identifier: GPL-2.0

//! The caller: credentials that differ in one property each.

use super::{
    calls::mounted,
    TestFs, //
};
use crate::{
    bindings,
    fs::{
        caller,
        inode::Inode,
        mnt_idmapping::MntIdmap,
        permission::Capability, //
    },
    prelude::*,
    uidgid::Id, //
};

/// Changes the credentials of this thread, which belong to the test only.
fn change(change: impl FnOnce(&mut bindings::cred)) -> Result {
    // SAFETY: The new credentials are not visible to others before they are committed.
    unsafe {
        let cred = bindings::prepare_creds();
        if cred.is_null() {
            return Err(ENOMEM);
        }
        change(&mut *cred);
        bindings::commit_creds(cred);
    }
    Ok(())
}

/// Calls a function with the root directory of a mount, and the idmap of this mount.
fn with_root<R>(f: impl FnOnce(&MntIdmap, &Inode<TestFs>) -> R) -> Result<R> {
    // SAFETY: `mount` is a mount of the filesystem, whose root inode is valid until it is removed.
    mounted(None, |mount| unsafe {
        let idmap = MntIdmap::from_raw(&raw mut bindings::nop_mnt_idmap);
        f(idmap, Inode::from_raw((*(*mount).mnt_root).d_inode))
    })
}

#[macros::kunit_tests(rust_fs_caller)]
mod caller_tests {
    use super::*;

    #[test]
    fn fsids_are_those_of_the_credentials() -> Result {
        change(|cred| {
            cred.fsuid.val = 1000;
            cred.fsgid.val = 1001;
        })?;
        assert_eq!(caller::fsuid(), Id::from_c(1000));
        assert_eq!(caller::fsgid(), Id::from_c(1001));
        change(|cred| cred.fsuid.val = u32::MAX)?;
        assert_eq!(caller::fsuid(), None);
        Ok(())
    }

    #[test]
    fn group_for_files_is_a_group() -> Result {
        change(|cred| cred.fsgid.val = 1001)?;
        assert!(caller::in_group(Id::from_c(1001)));
        assert!(!caller::in_group(Id::from_c(1002)));
        Ok(())
    }

    #[test]
    fn unmapped_group_has_no_members() -> Result {
        change(|cred| cred.fsgid.val = u32::MAX)?;
        assert!(!caller::in_group(None));
        Ok(())
    }

    #[test]
    fn capability_is_that_of_the_credentials() -> Result {
        let (with, without) = with_root(|idmap, root| {
            let capable = || caller::capable(idmap, root, Capability::Fowner);
            change(|cred| cred.cap_effective.val = 1 << bindings::CAP_FOWNER)?;
            let with = capable();
            change(|cred| cred.cap_effective.val = 1 << bindings::CAP_CHOWN)?;
            Ok::<_, Error>((with, capable()))
        })??;
        assert!(with);
        assert!(!without);
        Ok(())
    }

    #[test]
    fn unmapped_owner_is_shown_as_the_overflow_id() {
        assert_eq!(caller::shown_uid(Id::from_c(1000)), 1000);
        assert_eq!(caller::shown_gid(Id::from_c(1001)), 1001);
        // SAFETY: The variables are set by sysctl only.
        let overflow = unsafe { [bindings::overflowuid, bindings::overflowgid] };
        let [uid, gid] = overflow.map(|id| id as u32);
        assert_eq!(
            (caller::shown_uid(None), caller::shown_gid(None)),
            (uid, gid)
        );
    }
}
