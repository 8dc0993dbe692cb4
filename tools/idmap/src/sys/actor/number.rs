// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Numbers of descriptors as text, without an allocation.

use std::ffi::{c_char, c_int};

/// The name of a descriptor in `/proc/self/fd`.
pub(super) struct Number([u8; 12]);

impl Number {
    pub(super) fn of(fd: c_int) -> Self {
        let mut digits = [0; 12];
        let mut rest = fd.unsigned_abs();
        let mut at = 11;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        digits.copy_within(at.., 0);
        Self(digits)
    }

    pub(super) fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }
}
