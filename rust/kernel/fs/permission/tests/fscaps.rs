// SPDX-License-Identifier: GPL-2.0

//! Whose root the capabilities of a file are for.

use super::*;
use core::ptr;

/// The longest attribute with capabilities, and more.
const ROOM: usize = 28;

/// An attribute with capabilities: mostly one that makes sense.
struct Attribute {
    bytes: [u8; ROOM],
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
        // With the flag that has a meaning, and now and then one that has none.
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
        let mut bytes = [0; ROOM];
        for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        Self { bytes, size }
    }

    /// Lets the world's inode have it while something is asked.
    fn on<R>(&self, world: &World, ask: impl FnOnce() -> R) -> R {
        let attribute = bindings::kunit_attribute {
            value: ptr::from_ref(&self.bytes).cast(),
            size: self.size,
        };
        // SAFETY: All of the world is valid, and what is set is taken back below.
        unsafe { bindings::kunit_set_attribute(world.inode(), world.name(), &attribute) };
        let said = ask();
        // SAFETY: As above.
        unsafe { (*world.inode()).i_private = ptr::null_mut() };
        said
    }
}

/// What was said, and a digest of an attribute that was made, which is freed.
///
/// # Safety
///
/// If `said` is positive and `made` is not null, it must be memory of `kmalloc()` that has so many
/// bytes and belongs to the caller.
unsafe fn answer(said: c_int, made: *const c_void) -> [u32; 4] {
    let mut digest: u64 = 0;
    if !made.is_null() {
        for index in 0..usize::try_from(said).unwrap_or(0) {
            // SAFETY: By the requirements above.
            let byte = unsafe { *made.cast::<u8>().add(index) };
            digest = digest.rotate_left(7) ^ u64::from(byte);
        }
        // SAFETY: By the requirements above.
        unsafe { bindings::kfree(made) };
    }
    [
        said as u32,
        u32::from(!made.is_null()),
        digest as u32,
        (digest >> 32) as u32,
    ]
}

#[kunit_tests(rust_fs_access_caps)]
mod suite {
    use super::*;

    type GetSecurity = unsafe extern "C" fn(
        *mut bindings::mnt_idmap,
        *mut bindings::inode,
        *const c_char,
        *mut *mut c_void,
        bool,
    ) -> c_int;

    fn shown(world: &World, draw: u32, get: GetSecurity) -> [u32; 4] {
        let mut made = ptr::null_mut();
        let (idmap, inode) = (world.idmap(), world.inode());
        Attribute::any(draw).on(world, || {
            // SAFETY: All of the world is valid; what is made belongs to this function.
            unsafe {
                let name = c"capability".as_char_ptr();
                let said = get(idmap, inode, name, &mut made, draw >> 15 & 1 == 0);
                answer(said, made)
            }
        })
    }

    #[test]
    fn cap_inode_getsecurity() -> Result {
        let tally = compare(
            29,
            "cap_inode_getsecurity",
            |world, draw| shown(world, draw, bindings::cap_inode_getsecurity),
            |world, draw| shown(world, draw, bindings::oracle_cap_inode_getsecurity),
        )?;
        assert!(tally.holds("cap_inode_getsecurity"));
        Ok(())
    }

    type Convert = unsafe extern "C" fn(
        *mut bindings::mnt_idmap,
        *mut bindings::dentry,
        *mut *const c_void,
        usize,
    ) -> c_int;

    fn written(world: &World, draw: u32, convert: Convert) -> [u32; 4] {
        let attribute = Attribute::any(draw);
        let given: *const c_void = ptr::from_ref(&attribute.bytes).cast();
        let mut value = if attribute.size < 0 {
            ptr::null()
        } else {
            given
        };
        // SAFETY: All of the world is valid; what takes the value's place belongs to this function.
        unsafe {
            let size = attribute.size.unsigned_abs() as usize;
            let said = convert(world.idmap(), world.name(), &mut value, size);
            answer(said, if value == given { ptr::null() } else { value })
        }
    }

    #[test]
    fn cap_convert_nscap() -> Result {
        let tally = compare(
            30,
            "cap_convert_nscap",
            |world, draw| written(world, draw, bindings::cap_convert_nscap),
            |world, draw| written(world, draw, bindings::oracle_cap_convert_nscap),
        )?;
        assert!(tally.holds("cap_convert_nscap"));
        assert!(tally.used > 100);
        Ok(())
    }

    type FromDisk = unsafe extern "C" fn(
        *mut bindings::mnt_idmap,
        *const bindings::dentry,
        *mut bindings::cpu_vfs_cap_data,
    ) -> c_int;

    fn executed(world: &World, draw: u32, get: FromDisk) -> [u32; 4] {
        let mut caps: bindings::cpu_vfs_cap_data = pin_init::zeroed();
        // SAFETY: All of the world is valid.
        let said = Attribute::any(draw).on(world, || unsafe {
            get(world.idmap(), world.name(), &mut caps)
        });
        if said != 0 {
            return only(said);
        }
        let sets = caps.permitted.val ^ caps.inheritable.val.rotate_left(17);
        let words = caps.magic_etc ^ caps.rootid.val.rotate_left(5);
        [0, words, sets as u32, (sets >> 32) as u32]
    }

    #[test]
    fn get_vfs_caps_from_disk() -> Result {
        let tally = compare(
            31,
            "get_vfs_caps_from_disk",
            |world, draw| executed(world, draw, bindings::get_vfs_caps_from_disk),
            |world, draw| executed(world, draw, bindings::oracle_get_vfs_caps_from_disk),
        )?;
        assert!(tally.holds("get_vfs_caps_from_disk"));
        Ok(())
    }
}
