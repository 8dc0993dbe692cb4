// SPDX-License-Identifier: GPL-2.0

//! Idmaps that mounts get.

use super::*;
use crate::error::to_result;
use core::ptr;

/// A bit of a random number.
fn bit(draw: u32, number: u32) -> bool {
    draw >> number & 1 != 0
}

/// File descriptors of namespaces: the initial user namespace, another one, a UTS namespace.
struct NamespaceFds([c_int; 3]);

impl NamespaceFds {
    /// Opens the namespaces. Without `CONFIG_USER_NS` or `CONFIG_UTS_NS`, no number is a file
    /// descriptor, so that each call fails.
    fn new() -> Result<Self> {
        let mut fds = Self([-1; 3]);
        for (which, fd) in (0..).zip(&mut fds.0) {
            // SAFETY: The function opens a file for the current task.
            *fd = unsafe { bindings::kunit_open_namespace(which) };
            if *fd != EOPNOTSUPP.to_errno() {
                to_result(*fd)?;
            }
        }
        Ok(fds)
    }
}

impl Drop for NamespaceFds {
    fn drop(&mut self) {
        for fd in self.0 {
            if fd >= 0 {
                // SAFETY: Nothing else uses the file descriptor.
                unsafe { bindings::kunit_close(fd) };
            }
        }
    }
}

#[kunit_tests(rust_fs_permission_idmap_mount)]
mod suite {
    use super::*;

    #[test]
    fn build_mount_idmapped() -> Result {
        let name = "build_mount_idmapped";
        let namespaces = NamespaceFds::new()?;
        let configured = namespaces.0[0] >= 0;
        let [initial, child, uts] = namespaces.0.map(|fd| fd as u64);
        let tally = compare(32, name, |_, draw| {
            let fd = match draw >> 4 & 7 {
                // A closed file descriptor, and two numbers that are none.
                0 => 1000,
                1 => 1 << 31,
                2 => u64::MAX,
                3 => initial,
                4 => uts,
                _ => child,
            };
            let (mut to_nop, mut to_namespace) = (false, false);
            // SAFETY: The references are valid. The function drops the reference to the namespace.
            let error = unsafe {
                bindings::kunit_build_mount_idmapped(
                    !bit(draw, 0) || bit(draw, 1),
                    bit(draw, 2),
                    bit(draw, 3),
                    fd,
                    &mut to_nop,
                    &mut to_namespace,
                )
            };
            [error as u32, to_nop.into(), to_namespace.into(), 0]
        })?;
        // A failed assertion ends the test without drop().
        drop(namespaces);
        if configured {
            assert!(tally.holds_with_capabilities(name));
        } else {
            assert!(tally.holds(name));
        }
        Ok(())
    }

    #[test]
    fn can_idmap_mount() -> Result {
        let name = "can_idmap_mount";
        let tally = compare(28, name, |fixture, draw| {
            let mut fs_type: bindings::file_system_type = pin_init::zeroed();
            if draw % 8 != 0 {
                fs_type.fs_flags = bindings::FS_ALLOW_IDMAP as c_int;
            }
            let new_idmap = match draw >> 6 & 7 {
                0 => ptr::null_mut(),
                _ => &raw mut bindings::invalid_mnt_idmap,
            };
            // SAFETY: All objects of the fixture are valid, and the filesystem type outlives its
            // use.
            unsafe {
                let sb = (*fixture.inode()).i_sb;
                (*sb).s_type = &raw mut fs_type;
                (*sb).s_iflags = match draw >> 3 & 7 {
                    0 => bindings::SB_I_NOIDMAP as usize,
                    _ => 0,
                };
                let error = bindings::kunit_can_idmap_mount(
                    sb,
                    fixture.idmap(),
                    new_idmap,
                    fixture.namespaces()[usize::from(bit(draw, 9))],
                    bit(draw, 10),
                    bit(draw, 11) || bit(draw, 12),
                );
                (*sb).s_type = ptr::null_mut();
                returned(error)
            }
        })?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }
}
