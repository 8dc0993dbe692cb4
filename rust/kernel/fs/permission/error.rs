// SPDX-License-Identifier: GPL-2.0 OR MIT

//! How a decision says no.

use core::{
    fmt,
    num::NonZeroI32, //
};

/// Why something is not allowed: a negative error number.
///
/// In a [`CheckResult`] it has C's representation, zero standing for "allowed".
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct CheckError(NonZeroI32);

/// What a decision gives.
pub type CheckResult<T = ()> = Result<T, CheckError>;

macro_rules! errors {
    ($($(#[$meta:meta])* $name:ident = $number:literal;)*) => {
        impl CheckError {
            $(
                $(#[$meta])*
                pub const $name: Self = match NonZeroI32::new(-$number) {
                    Some(number) => Self(number),
                    None => panic!("zero is no error"),
                };
            )*

            fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

errors! {
    /// The caller may not, whoever owns the object.
    EPERM = 1;
    /// There is nothing of that name, or no directory to have it any more.
    ENOENT = 2;
    /// What was read makes no sense.
    EIO = 5;
    /// There is no open file of that number.
    EBADF = 9;
    /// An answer takes waiting, where waiting is not allowed: ask again in another way.
    ECHILD = 10;
    /// There is nothing to decide upon.
    EAGAIN = 11;
    /// The object's owner or mode does not grant it.
    EACCES = 13;
    /// Something of that name exists.
    EEXIST = 17;
    /// What was asked for makes no sense.
    EINVAL = 22;
    /// The filesystem is not written to.
    EROFS = 30;
    /// There is no such attribute.
    ENODATA = 61;
    /// An id has no name where it would be needed.
    EOVERFLOW = 75;
    /// Objects of this kind do not have that.
    EOPNOTSUPP = 95;
}

impl CheckError {
    /// Takes C's negative error number, [`None`] if it is not one.
    #[inline(always)]
    pub const fn from_errno(errno: i32) -> Option<Self> {
        match NonZeroI32::new(errno) {
            Some(number) if errno < 0 => Some(Self(number)),
            _ => None,
        }
    }

    /// The negative error number.
    #[inline(always)]
    pub const fn to_errno(self) -> i32 {
        self.0.get()
    }

    /// A verdict as C functions return it: zero, or a negative error number.
    #[inline(always)]
    pub const fn to_c(verdict: CheckResult) -> i32 {
        match verdict {
            Ok(()) => 0,
            Err(denied) => denied.to_errno(),
        }
    }

    /// Reads what a C function returned: a negative error number, or else success.
    #[inline(always)]
    pub const fn from_c(returned: i32) -> CheckResult {
        match Self::from_errno(returned) {
            Some(denied) => Err(denied),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => fmt::Debug::fmt(&self.0, f),
        }
    }
}
