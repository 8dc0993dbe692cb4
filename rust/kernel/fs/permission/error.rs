// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Errors of permission checks.

use core::num::NonZeroI32;

/// An error of a permission check.
///
/// It is a negative error number, so [`CheckResult`] has the representation of C's results.
///
/// The kernel's `Error` would do, but these files are compiled on the host too.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct CheckError(NonZeroI32);

/// The result of a permission check.
pub type CheckResult<T = ()> = Result<T, CheckError>;

macro_rules! errors {
    ($($(#[$meta:meta])* $name:ident = $number:literal;)*) => {
        impl CheckError {
            $(
                $(#[$meta])*
                pub const $name: Self = match NonZeroI32::new(-$number) {
                    Some(number) => Self(number),
                    None => panic!("0 is not an error number"),
                };
            )*
        }
    };
}

errors! {
    /// Operation not permitted.
    EPERM = 1;
    /// No such file or directory.
    ENOENT = 2;
    /// I/O error.
    EIO = 5;
    /// Bad file descriptor.
    EBADF = 9;
    /// The check would have to sleep in RCU walk.
    ECHILD = 10;
    /// No ACL: the mode bits apply.
    EAGAIN = 11;
    /// Permission denied.
    EACCES = 13;
    /// File exists.
    EEXIST = 17;
    /// Invalid argument.
    EINVAL = 22;
    /// Read-only filesystem.
    EROFS = 30;
    /// No such extended attribute.
    ENODATA = 61;
    /// An id is not mapped.
    EOVERFLOW = 75;
    /// Operation not supported.
    EOPNOTSUPP = 95;
}

impl CheckError {
    /// Converts a negative error number. Returns [`None`] for any other number.
    #[inline(always)]
    pub const fn from_errno(errno: i32) -> Option<Self> {
        match NonZeroI32::new(errno) {
            Some(number) if errno < 0 => Some(Self(number)),
            _ => None,
        }
    }

    /// Returns the negative error number.
    #[inline(always)]
    pub const fn to_errno(self) -> i32 {
        self.0.get()
    }

    /// Converts a result to a return value for C: 0 or a negative error number.
    #[inline(always)]
    pub const fn to_c(result: CheckResult) -> i32 {
        match result {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }

    /// Converts the return value of a C function: a negative error number, or success.
    #[inline(always)]
    pub const fn from_c(returned: i32) -> CheckResult {
        match Self::from_errno(returned) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
