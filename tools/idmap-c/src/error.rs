// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Errors: negative error numbers, and a message for each thread.

use std::{
    cell::RefCell,
    ffi::{CStr, CString, OsStr, c_char, c_int},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use idmap::{Error, MapsError};
use rustix::io::Errno;

thread_local! {
    static MESSAGE: RefCell<CString> = RefCell::new(CString::default());
}

/// A function's error.
pub(crate) struct Failure {
    errno: Errno,
    message: String,
}

impl Failure {
    pub(crate) fn new(errno: Errno, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { errno, message }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.errno, error.to_string())
    }
}

impl From<MapsError> for Failure {
    fn from(error: MapsError) -> Self {
        Self::new(Errno::INVAL, error.to_string())
    }
}

/// Returns the value, or keeps the message and returns the negative error number.
pub(crate) fn answer(result: Result<c_int, Failure>) -> c_int {
    match result {
        Ok(value) => value,
        Err(Failure { errno, message }) => {
            let text = CString::new(message.replace('\0', "?")).unwrap_or_default();
            MESSAGE.with(|kept| *kept.borrow_mut() = text);
            -errno.raw_os_error()
        }
    }
}

/// The path that a pointer leads to.
///
/// # Safety
///
/// `text` must be NULL, or point to a string that ends with a NUL byte and does not change while
/// `'a` lasts.
pub(crate) unsafe fn path<'a>(name: &str, text: *const c_char) -> Result<&'a Path, Failure> {
    if text.is_null() {
        return Err(Failure::new(Errno::INVAL, format!("{name} is NULL")));
    }
    // SAFETY: `text` is not NULL, so that it points to such a string by the requirement on it.
    let text = unsafe { CStr::from_ptr(text) };
    Ok(Path::new(OsStr::from_bytes(text.to_bytes())))
}

/// Returns the message of the last function of this library that failed in this thread.
///
/// The message names the step that failed, its object, the error number and the likely cause. It
/// is an empty string if no function has failed. The string belongs to the library; it is valid
/// until another function of this library fails in this thread, or the thread ends.
#[unsafe(no_mangle)]
pub extern "C" fn idmap_error_message() -> *const c_char {
    MESSAGE.with(|kept| kept.borrow().as_ptr())
}
