// SPDX-License-Identifier: GPL-2.0

//! Extended attributes that are in memory.

use super::{
    NameList,
    SetFlags,
    ValueBuffer, //
};
use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::{
        filesystem::FileSystem,
        inode::Inode, //
    },
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
    types::Opaque, //
};

/// Where the attributes of all inodes of a superblock are found by name.
///
/// # Invariants
///
/// It is initialized, and has no attribute but those of [`Xattrs`] that hold it.
pub struct XattrCache(Opaque<bindings::simple_xattr_cache>);

// SAFETY: C's functions on it may be called by any task.
unsafe impl Send for XattrCache {}

// SAFETY: C's functions on it may be called by several tasks at once.
unsafe impl Sync for XattrCache {}

impl XattrCache {
    /// Makes one without attributes.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub fn new() -> Result<Arc<Self>> {
        // INVARIANT: All zeroes is what C starts with.
        Ok(Arc::new(Self(Opaque::new(pin_init::zeroed())), GFP_KERNEL)?)
    }
}

impl Drop for XattrCache {
    fn drop(&mut self) {
        // SAFETY: By the type invariants it is empty: nobody holds it any more.
        unsafe { cleanup(self.0.get()) };
    }
}

/// The extended attributes of an inode, in memory.
///
/// There can be 128, with 128 KiB of values. Those that are `trusted.` do not count: who makes them
/// is privileged in the initial user namespace. Those of security modules do, as whoever mounts a
/// filesystem in a user namespace may make them there.
///
/// # Invariants
///
/// `list` is an initialized list of attributes that `cache` knows, and `limits` has the number and
/// size of those that count. Both change only with `lock`.
#[pin_data(PinnedDrop)]
pub struct Xattrs {
    #[pin]
    list: Opaque<bindings::list_head>,
    limits: Opaque<bindings::simple_xattr_limits>,
    #[pin]
    lock: Mutex<()>,
    cache: Arc<XattrCache>,
}

// SAFETY: What is in it may be used by any task.
unsafe impl Send for Xattrs {}

// SAFETY: Attributes are read under RCU, and change only with the lock.
unsafe impl Sync for Xattrs {}

impl Xattrs {
    /// None yet.
    pub fn new(cache: Arc<XattrCache>) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The list is pinned.
            list <- Opaque::ffi_init(|list| unsafe { bindings::INIT_LIST_HEAD(list) }),
            // Two counts of nothing.
            limits: Opaque::new(pin_init::zeroed()),
            lock <- new_mutex!((), "Xattrs::lock"),
            cache,
        })
    }

    /// Gets the value of an attribute.
    ///
    /// Mirrors `simple_xattr_get()`.
    ///
    /// # Errors
    ///
    /// [`ENODATA`] if there is none of that name, [`ERANGE`] if the buffer is too small.
    pub fn get(&self, name: &CStr, value: &mut ValueBuffer) -> Result {
        // SAFETY: By the type invariants, here and of `ValueBuffer`.
        value.used = unsafe {
            get(
                self.cache.0.get(),
                self.list.get(),
                name.as_char_ptr(),
                value.buffer,
                value.size,
            )
        };
        to_result(value.used.min(0))
    }

    /// Sets the value of an attribute, or removes it.
    ///
    /// Mirrors `simple_xattr_set_limited()` and, for those that do not count, `simple_xattr_set()`.
    ///
    /// # Errors
    ///
    /// [`EEXIST`], [`ENODATA`] where `flags` ask for it, [`ENOSPC`] where there are as many as
    /// there may be, [`ENOMEM`].
    pub fn set(&self, name: &CStr, value: Option<&[u8]>, flags: SetFlags) -> Result {
        let counts = !name.to_bytes().starts_with(b"trusted.");
        let limits = counts.then(|| self.limits.get());
        let _guard = self.lock.lock();
        // SAFETY: By the type invariants; the lock is held.
        unsafe {
            set(
                self.cache.0.get(),
                self.list.get(),
                limits,
                name,
                value,
                flags.0,
            )
        }
    }

    /// Names all of them, those that the caller may know of, after those that are in the list.
    ///
    /// Mirrors `simple_xattr_list()`.
    ///
    /// # Errors
    ///
    /// [`ERANGE`] if there is too little room, and those of security modules.
    pub fn list<T: FileSystem>(&self, inode: &Inode<T>, list: &mut NameList) -> Result {
        // SAFETY: By the type invariants, here and of `NameList`.
        let used = unsafe {
            let before = list.used as usize;
            let room = match list.buffer.is_null() {
                true => core::ptr::null_mut(),
                false => list.buffer.add(before),
            };
            let left = list.size.saturating_sub(before);
            names(inode.as_ptr(), self.list.get(), room, left)
        };
        to_result(used.min(0) as c_int)?;
        list.used = list.used.saturating_add(used);
        Ok(())
    }
}

#[pinned_drop]
impl PinnedDrop for Xattrs {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants, and nobody else has them any more.
        unsafe { free(self.cache.0.get(), self.list.get()) };
    }
}

// What follows is not exported to modules, and so is in functions that are not inlined there.

/// # Safety
///
/// `cache` must be valid and empty.
#[inline(never)]
unsafe fn cleanup(cache: *mut bindings::simple_xattr_cache) {
    // SAFETY: By the requirements above.
    unsafe { bindings::simple_xattr_cache_cleanup(cache) };
}

/// # Safety
///
/// `list` must be a list of attributes in `cache`, `name` a string, `buffer` null or of `size`
/// bytes.
#[inline(never)]
unsafe fn get(
    cache: *mut bindings::simple_xattr_cache,
    list: *mut bindings::list_head,
    name: *const c_char,
    buffer: *mut c_void,
    size: usize,
) -> c_int {
    // SAFETY: By the requirements above.
    unsafe { bindings::simple_xattr_get(cache, list, name, buffer, size) }
}

/// # Safety
///
/// `list` must be a list of attributes in `cache`, and the caller must be the only one who changes
/// it and `limits`.
#[inline(never)]
unsafe fn set(
    cache: *mut bindings::simple_xattr_cache,
    list: *mut bindings::list_head,
    limits: Option<*mut bindings::simple_xattr_limits>,
    name: &CStr,
    value: Option<&[u8]>,
    flags: c_int,
) -> Result {
    let name = name.as_char_ptr();
    let (value, size) = value.map_or((core::ptr::null(), 0), |value| {
        (value.as_ptr(), value.len())
    });
    let value = value.cast();
    // SAFETY: By the requirements above. An attribute that was replaced is ours to free, when no
    // reader has it any more.
    unsafe {
        if let Some(limits) = limits {
            return to_result(bindings::simple_xattr_set_limited(
                cache, list, limits, name, value, size, flags,
            ));
        }
        let old = bindings::simple_xattr_set(cache, list, name, value, size, flags);
        let old = from_err_ptr(old)?;
        bindings::simple_xattr_free_rcu(old);
    }
    Ok(())
}

/// # Safety
///
/// `inode` must be valid, `list` its attributes, `buffer` null or of `size` bytes.
#[inline(never)]
unsafe fn names(
    inode: *mut bindings::inode,
    list: *mut bindings::list_head,
    buffer: *mut c_char,
    size: usize,
) -> isize {
    // SAFETY: By the requirements above.
    unsafe { bindings::simple_xattr_list(inode, list, buffer, size) }
}

/// # Safety
///
/// `list` must be a list of attributes in `cache`, which nobody else uses any more.
#[inline(never)]
unsafe fn free(cache: *mut bindings::simple_xattr_cache, list: *mut bindings::list_head) {
    // SAFETY: By the requirements above.
    unsafe { bindings::simple_xattrs_free(cache, list, core::ptr::null_mut()) };
}
