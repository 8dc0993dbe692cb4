// SPDX-License-Identifier: GPL-2.0

//! The extended attribute `security.capability`.

use super::*;
use core::ptr;

/// More than the size of an attribute with capabilities.
const SIZE: usize = 28;

/// An attribute with capabilities, mostly a valid one.
struct Attribute {
    bytes: [u8; SIZE],
    size: c_int,
}

impl Attribute {
    fn any(draw: u32) -> Self {
        let revision = [1, 2, 3, 3, 3, 2, 4, 3][draw as usize % 8];
        let size = match draw >> 3 & 31 {
            0 => 4,
            1 => 28,
            2 => 3,
            3 => -(bindings::ENODATA as c_int),
            4 => -(bindings::EIO as c_int),
            5 => -(bindings::EOPNOTSUPP as c_int),
            6 => 12,
            7 => 20,
            8 => 24,
            _ => [12, 20, 24, 24][revision as usize - 1],
        };
        let roots = [0, 1, 1000, 2000, 2001, 3000, 4000, 5000, u32::MAX];
        let root = roots[(draw >> 8) as usize % 9];
        // `VFS_CAP_FLAGS_EFFECTIVE`, and sometimes a flag that does not exist.
        let flags = (draw >> 12 & 1) | u32::from(draw >> 13 & 7 == 0) << 1;
        let words = [
            revision << 24 | flags,
            draw,
            !draw,
            draw.rotate_left(9),
            draw.rotate_left(20),
            root,
            0,
        ];
        let mut bytes = [0; SIZE];
        for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        Self { bytes, size }
    }

    /// Calls a function while the inode of the fixture has the attribute.
    fn on<R>(&self, fixture: &Fixture, function: impl FnOnce() -> R) -> R {
        let caps = bindings::kunit_fscaps {
            value: ptr::from_ref(&self.bytes).cast(),
            size: self.size,
        };
        // SAFETY: All objects of the fixture are valid, and the capabilities outlive their use.
        unsafe { bindings::kunit_set_fscaps(fixture.inode(), fixture.name(), &caps) };
        let result = function();
        // SAFETY: The inode is valid.
        unsafe { (*fixture.inode()).i_private = ptr::null_mut() };
        result
    }
}

/// The returned value, and a digest of the attribute that a function allocated, which is freed.
///
/// # Safety
///
/// If `value` is positive and `allocated` is not null, then `allocated` must be memory of
/// `kmalloc()` of this size that belongs to the caller.
unsafe fn results(value: c_int, allocated: *const c_void) -> [u32; 4] {
    let mut digest: u64 = 0;
    if !allocated.is_null() {
        for index in 0..usize::try_from(value).unwrap_or(0) {
            // SAFETY: The memory has this size.
            let byte = unsafe { *allocated.cast::<u8>().add(index) };
            digest = digest.rotate_left(7) ^ u64::from(byte);
        }
        // SAFETY: The memory comes from `kmalloc()`, and nothing else uses it.
        unsafe { bindings::kfree(allocated) };
    }
    let is_some = u32::from(!allocated.is_null());
    [value as u32, is_some, digest as u32, (digest >> 32) as u32]
}

#[kunit_tests(rust_fs_permission_fscaps)]
mod suite {
    use super::*;

    #[test]
    fn cap_inode_getsecurity() -> Result {
        let name = "cap_inode_getsecurity";
        let tally = compare(29, name, |fixture, draw| {
            let mut buffer = ptr::null_mut();
            let (idmap, inode) = (fixture.idmap(), fixture.inode());
            let name = [c"capability", c"other"][usize::from(draw >> 7 & 31 == 0)];
            let alloc = draw >> 15 & 1 == 0;
            // SAFETY: All objects of the fixture are valid, and the memory in the buffer belongs
            // to this test.
            Attribute::any(draw).on(fixture, || unsafe {
                let name = name.as_char_ptr();
                let size = bindings::cap_inode_getsecurity(idmap, inode, name, &mut buffer, alloc);
                results(size, buffer)
            })
        })?;
        assert!(tally.holds(name));
        Ok(())
    }

    #[test]
    fn cap_convert_nscap() -> Result {
        let name = "cap_convert_nscap";
        let tally = compare(30, name, |fixture, draw| {
            let attribute = Attribute::any(draw);
            let written: *const c_void = ptr::from_ref(&attribute.bytes).cast();
            let mut value = match attribute.size {
                ..0 => ptr::null(),
                _ => written,
            };
            let size = attribute.size.unsigned_abs() as usize;
            let (idmap, dentry) = (fixture.idmap(), fixture.name());
            // SAFETY: All objects of the fixture are valid, and a new value belongs to this test.
            unsafe {
                let size = bindings::cap_convert_nscap(idmap, dentry, &mut value, size);
                results(size, if value == written { ptr::null() } else { value })
            }
        })?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }

    #[test]
    fn get_vfs_caps_from_disk() -> Result {
        let name = "get_vfs_caps_from_disk";
        let tally = compare(31, name, |fixture, draw| {
            let mut caps: bindings::cpu_vfs_cap_data = pin_init::zeroed();
            let (idmap, dentry) = (fixture.idmap(), fixture.name());
            // SAFETY: All objects of the fixture are valid.
            let error = Attribute::any(draw).on(fixture, || unsafe {
                bindings::get_vfs_caps_from_disk(idmap, dentry, &mut caps)
            });
            let sets = caps.permitted.val ^ caps.inheritable.val.rotate_left(17);
            let words = caps.magic_etc ^ caps.rootid.val.rotate_left(5);
            [error as u32, words, sets as u32, (sets >> 32) as u32]
        })?;
        assert!(tally.holds(name));
        Ok(())
    }
}
