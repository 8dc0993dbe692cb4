// SPDX-License-Identifier: GPL-2.0

//! Extended attributes in memory.

use super::{
    NameList,
    SetFlags,
    ValueBuffer, //
};
use crate::{
    bindings,
    error::to_result,
    fs::{
        filesystem::FileSystem,
        inode::Inode, //
    },
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// The maximum number of attributes, without those in `trusted.`.
const MAX_NUMBER: usize = 128;

/// The maximum length of all values, without those in `trusted.`.
const MAX_SIZE: usize = 128 << 10;

/// An extended attribute.
struct Xattr {
    /// The full name, with a zero byte.
    name: KVec<u8>,
    value: KVVec<u8>,
}

impl Xattr {
    /// Checks whether the attribute counts against the limits.
    ///
    /// Creating one in `trusted.` needs `CAP_SYS_ADMIN` in the initial user namespace.
    fn counts(&self) -> bool {
        !self.name.starts_with(b"trusted.")
    }
}

/// The extended attributes of an inode, in memory.
///
/// The limits are those of `simple_xattr_set_limited()`: 128 attributes, with values of 128 KiB.
/// Attributes in `trusted.` do not count.
#[pin_data]
pub struct Xattrs {
    #[pin]
    list: Mutex<KVec<Xattr>>,
}

impl Xattrs {
    /// Creates an empty list.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            list <- new_mutex!(KVec::new(), "Xattrs::list"),
        })
    }

    /// Returns the value of an attribute.
    ///
    /// # Errors
    ///
    /// [`ENODATA`] if there is no attribute of this name. [`ERANGE`] if the buffer is too small.
    pub fn get(&self, name: &CStr, value: &mut ValueBuffer) -> Result {
        let name = name.to_bytes_with_nul();
        let list = self.list.lock();
        let xattr = list.iter().find(|xattr| *xattr.name == *name);
        value.put(&xattr.ok_or(ENODATA)?.value)
    }

    /// Sets the value of an attribute, or removes it.
    ///
    /// # Errors
    ///
    /// [`EEXIST`] or [`ENODATA`] if `flags` do not fit. [`ENOSPC`] if a limit is reached.
    /// [`ENOMEM`].
    pub fn set(&self, name: &CStr, value: Option<&[u8]>, flags: SetFlags) -> Result {
        let name = name.to_bytes_with_nul();
        // Allocate before the lock is taken; drop what was replaced after it was released.
        let new = value.map(|value| copy(name, value)).transpose()?;
        let mut list = self.list.lock();
        let index = list.iter().position(|xattr| *xattr.name == *name);
        match (new, index) {
            (Some(_), Some(_)) if flags.create() => Err(EEXIST),
            (_, None) if flags.replace() => Err(ENODATA),
            (None, None) => Ok(()),
            (None, Some(index)) => {
                let old = list.remove(index).map_err(|_| ENODATA)?;
                drop(list);
                drop(old);
                Ok(())
            }
            (Some(new), index) => {
                check_limits(&list, index, &new)?;
                match index.and_then(|index| list.get_mut(index)) {
                    Some(place) => {
                        let old = core::mem::replace(place, new);
                        drop(list);
                        drop(old);
                        Ok(())
                    }
                    None => Ok(list.push(new, GFP_KERNEL_ACCOUNT)?),
                }
            }
        }
    }

    /// Stores the names of POSIX ACLs, those of security modules, and those of the attributes that
    /// the caller may see.
    ///
    /// Mirrors `simple_xattr_list()`.
    ///
    /// # Errors
    ///
    /// [`ERANGE`] if the buffer is too small, and errors of security modules.
    pub fn list<T: FileSystem>(&self, inode: &Inode<T>, list: &mut NameList) -> Result {
        list_acls(inode, list)?;
        list_security(inode, list)?;
        // SAFETY: The initial user namespace is static.
        let trusted = unsafe {
            bindings::ns_capable_noaudit(
                &raw mut bindings::init_user_ns,
                bindings::CAP_SYS_ADMIN as c_int,
            )
        };
        for xattr in self.list.lock().iter() {
            if (trusted || xattr.counts()) && !is_maclabel(&xattr.name) {
                list.put_bytes(&xattr.name)?;
            }
        }
        Ok(())
    }
}

/// Copies an attribute.
fn copy(name: &[u8], value: &[u8]) -> Result<Xattr> {
    let mut xattr = Xattr {
        name: KVec::with_capacity(name.len(), GFP_KERNEL_ACCOUNT)?,
        value: KVVec::with_capacity(value.len(), GFP_KERNEL_ACCOUNT)?,
    };
    xattr.name.extend_from_slice(name, GFP_KERNEL_ACCOUNT)?;
    xattr.value.extend_from_slice(value, GFP_KERNEL_ACCOUNT)?;
    Ok(xattr)
}

/// Checks the limits for an attribute that replaces the one at `index`, or is added.
fn check_limits(list: &[Xattr], index: Option<usize>, new: &Xattr) -> Result {
    if !new.counts() {
        return Ok(());
    }
    let (mut number, mut size) = (1usize, new.value.len());
    for (place, xattr) in list.iter().enumerate() {
        if Some(place) != index && xattr.counts() {
            number = number.saturating_add(1);
            size = size.saturating_add(xattr.value.len());
        }
    }
    if number > MAX_NUMBER || size > MAX_SIZE {
        return Err(ENOSPC);
    }
    Ok(())
}

/// Stores the names of the ACLs of an inode.
///
/// Mirrors `posix_acl_listxattr()`.
fn list_acls<T: FileSystem>(inode: &Inode<T>, list: &mut NameList) -> Result {
    #[cfg(CONFIG_FS_POSIX_ACL)]
    if T::POSIX_ACL {
        // SAFETY: The inode is valid. Only the values of the pointers are used.
        let (access, default) = unsafe {
            let inode = inode.as_ptr();
            (
                (&raw const (*inode).i_acl).read_volatile(),
                (&raw const (*inode).i_default_acl).read_volatile(),
            )
        };
        if !access.is_null() {
            list.put(c"system.posix_acl_access")?;
        }
        if !default.is_null() {
            list.put(c"system.posix_acl_default")?;
        }
    }
    let _ = (inode, list);
    Ok(())
}

/// Stores the names of attributes of security modules.
fn list_security<T: FileSystem>(inode: &Inode<T>, list: &mut NameList) -> Result {
    let left = list.size.saturating_sub(list.used);
    let mut buffer = match list.buffer.is_null() {
        true => core::ptr::null_mut(),
        // SAFETY: `used` is at most `size`, and `buffer` is valid for `size` bytes.
        false => unsafe { list.buffer.add(list.used) },
    };
    let mut remaining = isize::try_from(left).map_err(|_| ERANGE)?;
    let before = remaining;
    // SAFETY: The inode is valid. `buffer` is null or valid for writes of `remaining` bytes.
    let result = unsafe {
        bindings::security_inode_listsecurity(inode.as_ptr(), &mut buffer, &mut remaining)
    };
    to_result(result)?;
    let used = usize::try_from(before.saturating_sub(remaining)).map_err(|_| ERANGE)?;
    list.used = list.used.checked_add(used).ok_or(ERANGE)?;
    Ok(())
}

/// Checks for a label that security modules list.
fn is_maclabel(name: &[u8]) -> bool {
    let Some(suffix) = name.strip_prefix(b"security.") else {
        return false;
    };
    // SAFETY: `suffix` ends with a zero byte, as each name does.
    unsafe { bindings::security_ismaclabel(suffix.as_ptr().cast()) != 0 }
}
