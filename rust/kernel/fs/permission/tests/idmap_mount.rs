// SPDX-License-Identifier: GPL-2.0

//! Who may idmap a mount.

use super::*;
use crate::error::to_result;
use core::ptr;

/// What `can_idmap_mount()` says.
fn can_idmap_mount(world: &World, draw: u32, in_c: bool) -> [u32; 4] {
    let bit = |number: u32| draw >> number & 1 != 0;
    let mut kind: bindings::file_system_type = pin_init::zeroed();
    kind.fs_flags = [bindings::FS_ALLOW_IDMAP as c_int, 0][usize::from(draw % 8 == 0)];
    // SAFETY: All of the world is valid, and the kind of filesystem outlives the call.
    only(unsafe {
        let sb = (*world.inode()).i_sb;
        (*sb).s_type = &raw mut kind;
        (*sb).s_iflags = if draw >> 3 & 7 == 0 {
            bindings::SB_I_NOIDMAP as usize
        } else {
            0
        };
        let new_idmap = if draw >> 6 & 7 == 0 {
            ptr::null_mut()
        } else {
            &raw mut bindings::invalid_mnt_idmap
        };
        let said = bindings::kunit_can_idmap_mount(
            sb,
            world.idmap(),
            new_idmap,
            world.namespaces()[usize::from(bit(9))],
            bit(10),
            bit(11) || bit(12),
            in_c,
        );
        (*sb).s_type = ptr::null_mut();
        said
    })
}

/// File descriptors of namespaces.
struct Namespaces([c_int; 3]);

impl Namespaces {
    /// Opens them, before the caller is one that may not.
    fn new() -> Result<Self> {
        let mut these = Self([-1; 3]);
        for (which, fd) in (0..).zip(&mut these.0) {
            // SAFETY: This opens a file for the current task.
            *fd = unsafe { bindings::kunit_open_namespace(which) };
            to_result(*fd)?;
        }
        Ok(these)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for fd in self.0 {
            if fd >= 0 {
                // SAFETY: Nobody else knows the file.
                unsafe { bindings::kunit_close(fd) };
            }
        }
    }
}

/// What `build_mount_idmapped()` says and gives.
fn build_mount_idmapped(draw: u32, fds: &[c_int; 3], in_c: bool) -> [u32; 4] {
    let bit = |number: u32| draw >> number & 1 != 0;
    let fd = match draw >> 4 & 7 {
        // None that is open, and two that are no numbers of files.
        0 => 1000,
        1 => 1 << 31,
        2 => u64::MAX,
        3 => fds[0] as u64,
        4 => fds[2] as u64,
        _ => fds[1] as u64,
    };
    let (mut to_nop, mut to_namespace) = (false, false);
    // SAFETY: All of this is valid; the answer's reference is given back there.
    let said = unsafe {
        bindings::kunit_build_mount_idmapped(
            !bit(0) || bit(1),
            bit(2),
            bit(3),
            fd,
            in_c,
            &mut to_nop,
            &mut to_namespace,
        )
    };
    [said as u32, to_nop.into(), to_namespace.into(), 0]
}

#[kunit_tests(rust_fs_access_mount)]
mod suite {
    use super::*;

    #[test]
    fn which_map_a_mount_gets() -> Result {
        let namespaces = Namespaces::new()?;
        let fds = &namespaces.0;
        let tally = compare(
            32,
            "build_mount_idmapped",
            |_, draw| build_mount_idmapped(draw, fds, false),
            |_, draw| build_mount_idmapped(draw, fds, true),
        )?;
        // A test that fails ends without giving back what it has.
        drop(namespaces);
        assert!(tally.holds("build_mount_idmapped"));
        assert!(tally.used > 100);
        Ok(())
    }

    #[test]
    fn who_may_idmap_a_mount() -> Result {
        let tally = compare(
            28,
            "can_idmap_mount",
            |world, draw| can_idmap_mount(world, draw, false),
            |world, draw| can_idmap_mount(world, draw, true),
        )?;
        assert!(tally.holds("can_idmap_mount"));
        assert!(tally.used > 100);
        Ok(())
    }
}
